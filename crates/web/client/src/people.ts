// Who is here, as plain values for the views: a snapshot of the SDK's participants.
import { ConnectionQuality, Participant, Track, type LocalVideoTrack, type RemoteVideoTrack } from "livekit-client";
import type { Room } from "livekit-client";
import { t, type TextKey } from "./texts";

/** Attribute in which the server states a participant's role; participants cannot set it themselves. */
export const ROLE_ATTRIBUTE = "parlour.role";

export type VideoTrack = LocalVideoTrack | RemoteVideoTrack;

export interface Person {
  readonly sid: string;
  readonly identity: string;
  readonly name: string;
  readonly role: string;
  readonly self: boolean;
  readonly speaking: boolean;
  readonly microphone: boolean;
  readonly camera: VideoTrack | null;
  /** My own camera gives no pictures. */
  readonly still: boolean;
  /** The server has paused the picture so that the sound stays good. */
  readonly paused: boolean;
  readonly screen: VideoTrack | null;
  readonly line: "good" | "weak" | "lost";
}

function video(participant: Participant, source: Track.Source): VideoTrack | null {
  const publication = participant.getTrackPublication(source);
  return publication?.track && !publication.isMuted ? (publication.track as VideoTrack) : null;
}

function line(quality: ConnectionQuality): Person["line"] {
  if (quality === ConnectionQuality.Lost) return "lost";
  return quality === ConnectionQuality.Poor ? "weak" : "good";
}

export function person(participant: Participant, still = false): Person {
  const camera = video(participant, Track.Source.Camera);
  return {
    sid: participant.sid || "self",
    identity: participant.identity,
    name: participant.name || t("call.unnamed"),
    role: participant.attributes[ROLE_ATTRIBUTE] ?? "",
    self: participant.isLocal,
    speaking: participant.isSpeaking && participant.isMicrophoneEnabled,
    microphone: participant.isMicrophoneEnabled,
    camera,
    still: still && camera !== null,
    paused: camera?.streamState === Track.StreamState.Paused,
    screen: video(participant, Track.Source.ScreenShare),
    line: line(participant.connectionQuality),
  };
}

/** Everyone but me, therapists first, then in the order they came: an order that does not change while people talk. */
export function others(room: Room): Person[] {
  const rank = (p: Participant): number => (p.attributes[ROLE_ATTRIBUTE] === "therapist" ? 0 : 1);
  const arrived = (p: Participant): number => p.joinedAt?.getTime() ?? 0;
  return [...room.remoteParticipants.values()]
    .sort((a, b) => rank(a) - rank(b) || arrived(a) - arrived(b) || a.identity.localeCompare(b.identity))
    .map((one) => person(one));
}

const ROLES: Record<string, TextKey> = {
  therapist: "role.therapist",
  client: "role.client",
  guest: "role.guest",
  service: "role.service",
};

/** The role in words; empty for one we do not know. */
export function roleWord(role: string): string {
  const key = ROLES[role];
  return key ? t(key) : "";
}
