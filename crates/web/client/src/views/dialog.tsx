// The browser's own modal dialog: it keeps focus inside, closes on Escape and gives focus back. It covers the page, so the
// quick exit is in it too.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { QuickExit } from "./quick-exit";

interface Props {
  title: string;
  close: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, close, children }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  const isShown = useRef(true);
  useEffect(() => {
    element.current?.showModal();
    return () => {
      // The event of this closing comes later, when another dialog may be in this one's place.
      isShown.current = false;
      element.current?.close();
    };
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby="dialog-title"
      onClose={() => isShown.current && close()}
      onClick={(event) => event.target === element.current && close()}
    >
      <div class="dialog stack">
        <header class="dialog-head">
          <h2 id="dialog-title">{title}</h2>
          <QuickExit />
        </header>
        {children}
      </div>
    </dialog>
  );
}
