// What went wrong, in plain words: errors of the browser, the SDK and the control API to texts, disconnect reasons to
// endings.
import { ConnectionError, ConnectionErrorReason, DisconnectReason } from "livekit-client";
import { Problem } from "./api";
import { t, type TextKey } from "./texts";

export function deviceProblem(error: unknown): TextKey {
  if (!window.isSecureContext) return "error.insecure";
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "error.denied";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "error.missing";
  if (name === "NotReadableError" || name === "AbortError") return "error.busy";
  return "error.device";
}

/** Why the server lets somebody not in, in its own words, which the SDK hands on. */
const REFUSALS: Record<string, TextKey> = {
  "the session has ended": "error.join_ended",
  "the session is full": "error.join_full",
  "the session is locked": "error.join_locked",
  "this identity is already in the session": "error.join_duplicate",
  "the session is not open yet": "error.join_early",
  "end-to-end encryption is required": "error.join_encryption",
  "removed from the session": "error.join_removed",
  "not admitted": "error.join_removed",
  "no hand-over was offered": "error.join_hand_over",
};

export function joinProblem(error: unknown): TextKey {
  if (!(error instanceof ConnectionError)) return "error.join";
  switch (error.reason) {
    case ConnectionErrorReason.NotAllowed:
      // The SDK puts its own words before those of the server.
      return Object.entries(REFUSALS).find(([words]) => error.message.endsWith(words))?.[1] ?? "error.join_refused";
    case ConnectionErrorReason.ServerUnreachable:
    case ConnectionErrorReason.Timeout:
    case ConnectionErrorReason.WebSocket:
      return "error.join_unreachable";
    default:
      return error.message.includes("pc connection") ? "error.join_media" : "error.join";
  }
}

/** A refused command, in words. */
export function problemText(error: unknown): string {
  return t(problemKey(error));
}

function problemKey(error: unknown): TextKey {
  if (!(error instanceof Problem)) return "problem.other";
  if (error.unreachable) return "problem.unreachable";
  if (error.status === 401 || error.status === 403) return "problem.not_allowed";
  if (error.status === 404 || error.status === 410) return "problem.gone";
  if (error.status === 429) return "problem.too_often";
  if (error.status >= 500) return "problem.server";
  return "problem.not_now";
}

/** Why there is no way in with this link. */
export function openProblem(error: unknown): TextKey {
  if (!(error instanceof Problem)) return "error.join";
  if (error.unreachable || error.status >= 500) return "error.join_unreachable";
  return error.status === 429 ? "problem.too_often" : "error.join_refused";
}

export type Ending = "left" | "over" | "removed" | "denied" | "duplicate" | "handed" | "shutdown" | "lost";

/** What the page knows beside the reason: the person asked for it; was still waiting; offered the seat elsewhere. */
export interface Circumstances {
  readonly leaving: boolean;
  readonly waiting: boolean;
  readonly handingOver: boolean;
}

export function ending(reason: DisconnectReason | undefined, now: Circumstances): Ending {
  if (now.leaving) return "left";
  switch (reason) {
    case DisconnectReason.DUPLICATE_IDENTITY:
      return now.handingOver ? "handed" : "duplicate";
    case DisconnectReason.PARTICIPANT_REMOVED:
      return now.waiting ? "denied" : "removed";
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return "over";
    case DisconnectReason.SERVER_SHUTDOWN:
      return "shutdown";
    default:
      return "lost";
  }
}
