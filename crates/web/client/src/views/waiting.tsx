// The waiting room: what the clinic says, when it begins, and oneself. Nobody is seen or heard from here.
import type { Call } from "../call";
import type { Preview } from "../preview";
import type { Session } from "../session";
import { t } from "../texts";
import { BackupPlan } from "./backup-plan";
import { PreviewPicture, PreviewSwitches } from "./mirror";
import { Page } from "./page";
import { Planned } from "./planned";

interface Props {
  session: Session;
  call: Call;
  preview: Preview;
}

export function Waiting({ session, call, preview }: Props) {
  const view = session.view.value;
  const hasMirror = preview.hasMicrophone && !call.started.value;
  const words = view?.therapist === "present" ? t("waiting.text") : t("waiting.early");
  const isLost = call.connection.value === "reconnecting" || session.freshness.value === "stale";
  return (
    <Page title={t("waiting.title")} wide={hasMirror}>
      <div class={hasMirror ? "prejoin" : "stack"}>
        {hasMirror && (
          <section class="mirror" aria-label={t("prejoin.preview")}>
            {preview.hasCamera && <PreviewPicture preview={preview} />}
            <PreviewSwitches preview={preview} busy={preview.starting.value} />
          </section>
        )}
        <section class="stack" aria-label={t("waiting.about")}>
          <p class="lead" role="status">
            {isLost ? t("waiting.lost") : words}
          </p>
          <div role="status">
            {view?.waiting_message && (
              <blockquote class="card message">
                <p>{view.waiting_message}</p>
                <footer class="quiet">{t("waiting.message_from")}</footer>
              </blockquote>
            )}
          </div>
          <Planned view={view} />
          <p class="quiet">{t("waiting.unseen")}</p>
          <BackupPlan view={view} />
          <button class="secondary" type="button" onClick={() => void call.leave()}>
            {t("waiting.leave")}
          </button>
        </section>
      </div>
    </Page>
  );
}
