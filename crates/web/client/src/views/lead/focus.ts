// A pressed button often makes itself vanish: whoever is admitted is no longer in the waiting list. Focus must not fall
// out of the page with it; it goes to the heading of the section that it was in.
import { useEffect, useRef } from "preact/hooks";
import type { RefObject } from "preact";

export function useKeptFocus(container: RefObject<HTMLElement>): void {
  const section = useRef<Element | null>(null);

  useEffect(() => {
    const note = (event: FocusEvent): void => {
      const target = event.target as Element;
      section.current = container.current?.contains(target) ? target.closest("section") : null;
    };
    document.addEventListener("focusin", note);
    const watch = new MutationObserver(() => {
      if (!section.current || document.activeElement !== document.body) return;
      const home = section.current.isConnected ? section.current : container.current;
      home?.querySelector<HTMLElement>("[tabindex='-1']")?.focus({ preventScroll: true });
    });
    watch.observe(document.body, { childList: true, subtree: true });
    return () => {
      document.removeEventListener("focusin", note);
      watch.disconnect();
    };
  }, []);
}
