// Plainer speech while a line hardly carries any: the server asks the publisher, and says when it is over (docs/allocation.md,
// "narrow speech"). It asks in a data message, so that pages of integrators can do the same.
import { RoomEvent, type Room } from "livekit-client";
import { VOICE_BITRATE } from "./media";

const TOPIC = "parlour.speech";

interface Limit {
  readonly track: string;
  readonly max_bitrate: number | null;
}

export function followSpeechLimits(room: Room): void {
  room.on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => {
    // Only what the server says has no sender.
    if (topic === TOPIC && !participant) void follow(room, payload).catch(() => undefined);
  });
}

/** Fails where the browser cannot, the track was unpublished meanwhile, or an integrator's server wrote something else. */
async function follow(room: Room, payload: Uint8Array): Promise<void> {
  const { track, max_bitrate } = JSON.parse(new TextDecoder().decode(payload)) as Limit;
  const publications = [...room.localParticipant.audioTrackPublications.values()];
  const sender = publications.find(({ trackSid }) => trackSid === track)?.track?.sender;
  const parameters = sender?.getParameters();
  if (!sender || !parameters) return;
  for (const encoding of parameters.encodings) encoding.maxBitrate = max_bitrate ?? VOICE_BITRATE;
  await sender.setParameters(parameters);
}
