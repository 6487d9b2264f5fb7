// The way out that is always in sight: one press, or Escape twice.
import { exitNow } from "../exit";
import { t } from "../texts";
import { Icon } from "./icons";

export function QuickExit() {
  const exit = exitNow.value;
  if (!exit) return null;
  return (
    <button class="quick-exit" type="button" aria-keyshortcuts="Escape" title={t("exit.explained")} onClick={exit}>
      <Icon name="exit" />
      <span>{t("exit.label")}</span>
      <span class="quick-exit-key" aria-hidden="true">
        {t("exit.key")}
      </span>
      <span class="hidden-words">{t("exit.explained")}</span>
    </button>
  );
}
