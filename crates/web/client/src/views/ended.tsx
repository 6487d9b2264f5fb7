// The last page: why the call is over, and the way back where there is one.
import type { Ending } from "../problems";
import { t } from "../texts";
import { Page } from "./page";

const FINAL: readonly Ending[] = ["over", "removed"];

export function Ended({ how, rejoin }: { how: Ending; rejoin: () => void }) {
  return (
    <Page title={t(`ended.${how}_title`)}>
      <p class="lead">{t(`ended.${how}_text`)}</p>
      {!FINAL.includes(how) && (
        <button class={how === "left" ? "secondary" : "primary"} type="button" onClick={rejoin}>
          {t("ended.rejoin")}
        </button>
      )}
    </Page>
  );
}
