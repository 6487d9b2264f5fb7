// Quick exit: gone at once, without a trace on this device. The order matters: first silence and darkness, then the
// page, then the server, then the way out. Nothing here waits for anything.
import { signal } from "@preact/signals";
import { headers } from "./api";
import type { Session } from "./session";

/** Where one lands: a page that says nothing, or where the clinic's configuration sends people on to. */
const AWAY = "/away";

/** Two presses within this, so that closing a dialog does not leave the session. */
const TWICE_MS = 1_500;

/** The way out for whoever is on this page now; `null` where there is nothing to leave. */
export const exitNow = signal<(() => void) | null>(null);

let exiting = false;

/** Whether the page is on its way out, so that nothing says goodbye: others must see what a lost line looks like. */
export const isExiting = (): boolean => exiting;

export function quickExit(session: Session | null, stop: () => void): void {
  if (exiting) return;
  exiting = true;
  stop();
  for (const element of document.querySelectorAll<HTMLMediaElement>("video, audio")) {
    element.muted = true;
    element.srcObject = null;
  }
  document.body.replaceChildren();
  document.title = "";
  if (session) tell(session);
  localStorage.clear();
  sessionStorage.clear();
  location.replace(AWAY);
}

/** Outlives the page; whether it is answered is of no concern to someone who had to leave. */
function tell(session: Session): void {
  void fetch(`${session.path}/quick-exit`, {
    method: "POST",
    headers: headers(session.token, "POST", false),
    keepalive: true,
    cache: "no-store",
    credentials: "omit",
  }).catch(() => undefined);
}

/** Calls `act` when Escape is pressed twice in a row, wherever the focus is. */
export function listenForEscape(act: () => void): () => void {
  let last = Number.NEGATIVE_INFINITY;
  const listener = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || event.repeat) return;
    if (event.timeStamp - last <= TWICE_MS) act();
    last = event.timeStamp;
  };
  window.addEventListener("keydown", listener, { capture: true });
  return () => window.removeEventListener("keydown", listener, { capture: true });
}
