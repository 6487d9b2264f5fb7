// Quick exit: gone at once, without a trace on this device. The order matters: first silence and darkness, then the
// page and its address, then the server, then the way out.
import { signal } from "@preact/signals";
import { headers } from "./api";
import type { Session } from "./session";

/** Where one lands: a page that says nothing, or where the clinic's configuration sends people on to. */
const AWAY = "/away";

/** What is sent while a page goes away is lost now and then, in Chromium too. So the page, which is empty and has another
 * address by then, goes when the server has answered, or after this. */
const TELLING_MS = 400;

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
  history.replaceState(null, "", AWAY);
  forget();
  const told = session ? tell(session) : Promise.resolve();
  const patience = new Promise((resolve) => setTimeout(resolve, TELLING_MS));
  void Promise.race([told, patience]).finally(() => {
    // A token that was renewed meanwhile was kept.
    forget();
    location.replace(AWAY);
  });
}

function forget(): void {
  localStorage.clear();
  sessionStorage.clear();
}

/** Outlives the page where it can; what is answered is of no concern to someone who had to leave. */
async function tell(session: Session): Promise<void> {
  await fetch(`${session.path}/quick-exit`, {
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
