// The session as the server shows it to me: the one source of what is so. Shapes are those of `GET /v1/sessions/{id}/view`.

export type Place = "outside" | "waiting" | "main" | "hold" | "check_in";
export type Role = "therapist" | "client" | "guest" | "service";
export type SameRoom = "apart" | "audio" | "audio_and_video";
export type FloorMode = "open" | "therapist_only" | "one_voice";

export interface PersonView {
  readonly identity: string;
  readonly name: string;
  readonly role: Role;
  readonly place: Place;
  readonly check_in: number | null;
  readonly line: "up" | "lost";
  readonly admission: "waiting" | "admitted" | "denied" | "removed";
  readonly held: boolean;
  readonly consented: boolean;
}

export interface CheckIn {
  readonly id: number;
  readonly therapist: string;
  readonly members: readonly string[];
}

export interface Moment {
  readonly identity: string;
  readonly at_ms: number;
}

export interface Consent {
  readonly id: string;
  readonly sha256: string;
  readonly accepted: boolean;
  readonly text?: string | null;
}

export interface Pair {
  readonly a: string;
  readonly b: string;
  readonly how: SameRoom;
}

export interface SessionView {
  readonly session: {
    readonly id: string;
    readonly kind: string;
    readonly modality: "video" | "audio" | "text";
    readonly phase: "scheduled" | "open" | "live" | "ended";
    readonly starts_at_ms?: number | null;
    readonly planned_end_ms?: number | null;
    readonly ends_at_ms?: number | null;
    readonly recording: string;
    readonly e2ee: string;
    readonly locked?: boolean;
  };
  readonly me: { readonly identity: string; readonly role: Role; readonly place: Place };
  readonly consent: Consent | null;
  readonly recording_agreement: boolean | null;
  readonly waiting_message: string | null;
  readonly floor?: { readonly mode: FloorMode; readonly identity?: string | null };
  readonly same_room?: readonly Pair[];
  readonly minutes_left?: number | null;
  readonly therapist?: "present" | "lost" | "away";
  readonly people?: readonly PersonView[];
  readonly check_ins?: readonly CheckIn[];
  readonly signals?: readonly Moment[];
  readonly quick_exits?: readonly Moment[];
  readonly backup_plan?: { readonly text?: string | null; readonly phone?: string | null } | null;
}

/** How two people are kept from echoing; the order of the two does not matter. */
export function sameRoom(view: SessionView | null, a: string, b: string): SameRoom {
  const found = view?.same_room?.find((pair) => (pair.a === a && pair.b === b) || (pair.a === b && pair.b === a));
  return found?.how ?? "apart";
}

/** The check-in that this person is in, if any. */
export function checkInOf(view: SessionView | null, identity: string): CheckIn | null {
  return view?.check_ins?.find(({ members }) => members.includes(identity)) ?? null;
}
