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
    if (topic === TOPIC && !participant) void follow(room, JSON.parse(new TextDecoder().decode(payload)) as Limit);
  });
}

async function follow(room: Room, { track, max_bitrate }: Limit): Promise<void> {
  const publications = [...room.localParticipant.audioTrackPublications.values()];
  const sender = publications.find(({ trackSid }) => trackSid === track)?.track?.sender;
  const parameters = sender?.getParameters();
  if (!sender || !parameters) return;
  for (const encoding of parameters.encodings) encoding.maxBitrate = max_bitrate ?? VOICE_BITRATE;
  // A browser that cannot goes on as it did; so may one whose track was unpublished meanwhile.
  await sender.setParameters(parameters).catch(() => undefined);
}
