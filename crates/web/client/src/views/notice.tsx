// What a person must know and agree to before the session: the clinic's text in its version, and the recorder where one
// may come. Nothing is sent to anybody from here.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { isTextOf } from "../consent";
import { t } from "../texts";
import type { Session } from "../session";
import type { Consent } from "../view";
import { Page } from "./page";

interface Props {
  consent: Consent;
  session: Session;
  accept: () => void;
  decline: () => void;
}

export function Notice({ consent, session, accept, decline }: Props) {
  const agreed = useSignal(false);
  const missing = useSignal(false);
  const differs = useSignal(false);
  const checked = useSignal(false);
  useEffect(() => {
    const { text, sha256 } = consent;
    // A tick is for the text it was made under.
    [agreed.value, checked.value, differs.value] = [false, text == null, false];
    if (text == null) return;
    // Until it is known nothing can be accepted; what cannot be checked is not accepted either.
    isTextOf(text, sha256).then(
      (same) => ([checked.value, differs.value] = [same, !same]),
      () => ([checked.value, differs.value] = [false, true]),
    );
  }, [consent.text, consent.sha256]);
  const proceed = (event: Event): void => {
    event.preventDefault();
    missing.value = !agreed.value;
    if (agreed.value && checked.value) accept();
  };
  const recording = session.view.value?.session.recording ?? "never";
  return (
    <Page title={t("notice.title")}>
      <p class="lead">{t("notice.lead")}</p>
      <section class="document" aria-label={t("notice.document")} tabIndex={0}>
        {(consent.text ?? t("notice.no_text")).split(/\n{2,}/).map((paragraph, index) => (
          <p key={index}>{paragraph}</p>
        ))}
        <p class="quiet">{t("notice.version", { version: consent.id })}</p>
      </section>
      <p class="quiet">{t(recording === "never" ? "notice.recording_never" : "notice.recording_asked")}</p>
      <form class="stack" onSubmit={proceed} noValidate>
        <label class="check">
          <input
            type="checkbox"
            checked={agreed}
            aria-invalid={missing.value}
            aria-describedby={missing.value ? "notice-missing" : undefined}
            onChange={(event) => (agreed.value = event.currentTarget.checked)}
          />
          <span>{t("notice.agree")}</span>
        </label>
        {missing.value && (
          <p id="notice-missing" class="problem" role="alert">
            {t("notice.missing")}
          </p>
        )}
        {differs.value && (
          <p class="problem" role="alert">
            {t("notice.differs")}
          </p>
        )}
        <div class="choices">
          <button class="primary" type="submit" disabled={differs.value}>
            {t("notice.continue")}
          </button>
          <button class="secondary" type="button" onClick={decline}>
            {t("notice.decline")}
          </button>
        </div>
      </form>
    </Page>
  );
}
