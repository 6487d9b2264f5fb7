// What a person likes, for as long as the page is open: no trace is kept on the computer.
import { signal } from "@preact/signals";

export const showSelf = signal(true);
export const mirrorSelf = signal(true);
/** Single-key shortcuts can be turned off: speech input and trembling hands press keys unmeant (WCAG 2.1.4). */
export const shortcutsOn = signal(true);
