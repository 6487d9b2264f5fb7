// The last page: why the call is over, and the way back where there is one.
import type { Ending } from "../problems";
import { t } from "../texts";
import type { SessionView } from "../view";
import { BackupPlan } from "./backup-plan";
import { Page } from "./page";

const FINAL: readonly Ending[] = ["over", "handed"];
/** Where a therapist has to change their mind first. */
const REFUSED: readonly Ending[] = ["removed", "denied"];
/** Where another way to each other may be needed. */
const TROUBLE: readonly Ending[] = ["lost", "shutdown"];

interface Props {
  how: Ending;
  view: SessionView | null;
  rejoin: () => void;
}

export function Ended({ how, view, rejoin }: Props) {
  const isRefused = REFUSED.includes(how);
  return (
    <Page title={t(`ended.${how}_title`)}>
      <p class="lead">{t(`ended.${how}_text`)}</p>
      {!FINAL.includes(how) && (
        <button class={how === "left" || isRefused ? "secondary" : "primary"} type="button" onClick={rejoin}>
          {t(isRefused ? "prejoin.retry" : "ended.rejoin")}
        </button>
      )}
      {TROUBLE.includes(how) && <BackupPlan view={view} />}
    </Page>
  );
}
