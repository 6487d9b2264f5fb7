// What went wrong, in plain words: browser and SDK errors to text keys, disconnect reasons to endings.
import { ConnectionError, ConnectionErrorReason, DisconnectReason } from "livekit-client";
import type { TextKey } from "./texts";

export function deviceProblem(error: unknown): TextKey {
  if (!window.isSecureContext) return "error.insecure";
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "error.denied";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "error.missing";
  if (name === "NotReadableError" || name === "AbortError") return "error.busy";
  return "error.device";
}

export function joinProblem(error: unknown): TextKey {
  if (!(error instanceof ConnectionError)) return "error.join";
  switch (error.reason) {
    case ConnectionErrorReason.NotAllowed:
      return "error.join_refused";
    case ConnectionErrorReason.ServerUnreachable:
    case ConnectionErrorReason.Timeout:
    case ConnectionErrorReason.WebSocket:
      return "error.join_unreachable";
    default:
      return error.message.includes("pc connection") ? "error.join_media" : "error.join";
  }
}

export type Ending = "left" | "over" | "removed" | "duplicate" | "shutdown" | "lost";

/** `leaving`: the person asked for it. The SDK also disconnects when the page goes away, which a reload undoes. */
export function ending(reason: DisconnectReason | undefined, leaving: boolean): Ending {
  if (leaving) return "left";
  switch (reason) {
    case DisconnectReason.DUPLICATE_IDENTITY:
      return "duplicate";
    case DisconnectReason.PARTICIPANT_REMOVED:
      return "removed";
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return "over";
    case DisconnectReason.SERVER_SHUTDOWN:
      return "shutdown";
    default:
      return "lost";
  }
}
