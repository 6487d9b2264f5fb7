// What a therapist leads the session with. Beside the pictures where there is room, else over them on demand. All of it
// shows the server's view and nothing else.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Call } from "../../call";
import { t } from "../../texts";
import { Icon } from "../icons";
import { Floor } from "./floor";
import { useKeptFocus } from "./focus";
import { People } from "./people";
import { PrivateNotes } from "./private-notes";
import { Seal } from "./seal";
import { Time, TimeLeft } from "./time";
import { WaitingList } from "./waiting-list";

/** Open where it is beside the pictures, closed where it would cover them. */
export const panelOpen = signal(matchMedia("(min-width: 62rem)").matches);

export function Panel({ call, end }: { call: Call; end: () => void }) {
  const element = useRef<HTMLElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const { session } = call;
  const isOpen = panelOpen.value;
  useKeptFocus(element);

  const wasOpen = useRef(isOpen);
  useEffect(() => {
    if (isOpen && !wasOpen.current) heading.current?.focus({ preventScroll: true });
    wasOpen.current = isOpen;
  }, [isOpen]);

  const view = session.view.value;
  if (!view || !isOpen) return null;
  return (
    <aside ref={element} class="panel" aria-label={t("lead.panel")}>
      <div class="panel-top">
        <div class="panel-head">
          <div>
            <h2 ref={heading} tabIndex={-1}>
              {t("lead.panel")}
            </h2>
            <TimeLeft session={session} />
          </div>
          <button class="icon-button" type="button" aria-label={t("lead.close")} onClick={() => (panelOpen.value = false)}>
            <Icon name="close" />
          </button>
        </div>
        <PrivateNotes call={call} />
      </div>
      <Seal session={session} />
      <WaitingList session={session} />
      <People call={call} />
      <Floor session={session} />
      <Time session={session} end={end} />
    </aside>
  );
}
