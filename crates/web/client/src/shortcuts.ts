// Single keys for the controls of the call.
import { shortcutsOn } from "./preferences";

export const KEYS = { microphone: "M", camera: "C", screen: "S", leave: "L" } as const;

export type Shortcut = keyof typeof KEYS;

const TYPING = "input, select, textarea, [contenteditable]";

function pressed(event: KeyboardEvent): Shortcut | null {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return null;
  const key = event.key.toUpperCase();
  const found = (Object.entries(KEYS) as [Shortcut, string][]).find(([, letter]) => letter === key);
  return found ? found[0] : null;
}

/** Calls `act` for each shortcut pressed outside of fields and dialogs, until the returned function is called. */
export function listenForShortcuts(act: (shortcut: Shortcut) => void): () => void {
  const listener = (event: KeyboardEvent): void => {
    const target = event.target;
    if (!shortcutsOn.value || document.querySelector("dialog[open]")) return;
    if (target instanceof Element && target.closest(TYPING)) return;
    const shortcut = pressed(event);
    if (!shortcut) return;
    event.preventDefault();
    act(shortcut);
  };
  window.addEventListener("keydown", listener);
  return () => window.removeEventListener("keydown", listener);
}
