// A moment between pages: the link is being opened.
import { t } from "../texts";
import { Page } from "./page";

export function Opening() {
  return (
    <Page title={t("opening.title")}>
      <p class="lead" role="status">
        {t("opening.text")}
      </p>
    </Page>
  );
}
