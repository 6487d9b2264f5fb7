// The frame of every page that is not the call: mark, one heading, content. Focus moves to the heading, so that a
// screen reader says where one is.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../texts";
import { Mark } from "./icons";
import { QuickExit } from "./quick-exit";

interface Props {
  title: string;
  wide?: boolean;
  centred?: boolean;
  children: ComponentChildren;
}

export function Page({ title, wide = false, centred = false, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <div class={wide ? "page page-wide" : "page"} data-centred={centred}>
      <header class="brand">
        <Mark />
        <span>{t("app.name")}</span>
        <QuickExit />
      </header>
      <main>
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {children}
      </main>
    </div>
  );
}
