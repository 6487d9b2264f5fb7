// A link that leads nowhere: why, and what to do about it.
import { t, type TextKey } from "../texts";
import { Ended } from "./ended";
import { Page } from "./page";

/** `again`: what may help later. Where the session is over, nothing is wrong with the link. */
export function Blocked({ problem, again }: { problem: TextKey; again: (() => void) | null }) {
  if (problem === "ended.over_title") return <Ended how="over" view={null} rejoin={() => undefined} />;
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
