// On hold: neutral, whatever the reason. Nothing here tells what happens elsewhere.
import type { Call } from "../call";
import type { Session } from "../session";
import { t } from "../texts";
import { Page } from "./page";
import { SignalButton } from "./signal-button";

export function Hold({ session, call }: { session: Session; call: Call }) {
  const isLost = call.connection.value === "reconnecting" || session.freshness.value === "stale";
  return (
    <Page title={t("hold.title")} centred>
      <div class="calm" aria-hidden="true" />
      <p class="lead" role="status">
        {isLost ? t("waiting.lost") : t("hold.text")}
      </p>
      <p class="quiet">{t("hold.unseen")}</p>
      <div class="stack-small hold-choices">
        <SignalButton session={session} />
        <button class="secondary" type="button" onClick={() => void call.leave()}>
          {t("leave.confirm")}
        </button>
      </div>
    </Page>
  );
}
