// A link that leads nowhere: why, and what to do about it.
import { t, type TextKey } from "../texts";
import { Page } from "./page";

export function Blocked({ problem, again }: { problem: TextKey; again: (() => void) | null }) {
  return (
    <Page title={t(again ? "blocked.title_later" : "blocked.title")}>
      <p class="lead" role="alert">
        {t(problem)}
      </p>
      {again ? (
        <button class="primary" type="button" onClick={again}>
          {t("prejoin.retry")}
        </button>
      ) : (
        <p class="quiet">{t("blocked.once")}</p>
      )}
    </Page>
  );
}
