// A running check-in of mine: with whom, since when the server vouches for it, and the one button back.
import { useEffect, useRef } from "preact/hooks";
import type { Session } from "../../session";
import { language, list, t } from "../../texts";
import { checkInOf } from "../../view";
import { CommandButton } from "../command";
import { Icon } from "../icons";

export function Seal({ session }: { session: Session }) {
  const view = session.view.value;
  const checkIn = view && checkInOf(view, session.identity);
  const section = useRef<HTMLElement>(null);
  // Wherever in the panel it was begun, the way back is in sight.
  useEffect(() => section.current?.scrollIntoView({ block: "nearest" }), [checkIn?.id]);
  if (!checkIn) return null;
  const others = view.people?.filter(
    ({ identity }) => identity !== session.identity && checkIn.members.includes(identity),
  );
  const names = list((others ?? []).map(({ name }) => name || t("call.unnamed")));
  const receipt = session.receipt.value;
  return (
    <section ref={section} class="panel-section sealed" aria-labelledby="seal-title">
      <h3 id="seal-title" tabIndex={-1}>
        <Icon name="seal" />
        {t("lead.sealed", { names })}
      </h3>
      <p>{t("lead.sealed_text")}</p>
      {receipt?.id === checkIn.id && <p class="quiet">{t("lead.receipt", { number: receipt.id, time: seconds(receipt.at_ms) })}</p>}
      <CommandButton session={session} name="check-in-end" look="primary" give={() => session.endCheckIn(checkIn)}>
        {t("lead.back_together")}
      </CommandButton>
    </section>
  );
}

const seconds = (atMs: number): string =>
  new Intl.DateTimeFormat(language.value, { timeStyle: "medium" }).format(new Date(atMs));
