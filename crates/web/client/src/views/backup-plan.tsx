// What was agreed for the case that the call does not work: a text and a telephone number.
import { t } from "../texts";
import type { SessionView } from "../view";

export function BackupPlan({ view }: { view: SessionView | null }) {
  const plan = view?.backup_plan;
  if (!plan?.text && !plan?.phone) return null;
  return (
    <section class="card stack-small" aria-label={t("backup.title")}>
      <h2 class="card-title">{t("backup.title")}</h2>
      {plan.text && <p>{plan.text}</p>}
      {plan.phone && (
        <p>
          <a href={`tel:${plan.phone.replace(/[^+\d]/g, "")}`}>{t("backup.phone", { phone: plan.phone })}</a>
        </p>
      )}
    </section>
  );
}
