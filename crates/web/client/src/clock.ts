// The time as a signal, for what is shown of it in minutes.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

const TICK_MS = 5_000;

export const now = signal(Date.now());

/** Keeps `now` going while a component is on screen. */
export function useClock(): void {
  useEffect(() => {
    now.value = Date.now();
    const timer = setInterval(() => (now.value = Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
}
