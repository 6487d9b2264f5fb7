// Shown when the address has no ticket: says what a link is, and takes a pasted one.
import { useSignal } from "@preact/signals";
import { parseLink, type Link } from "../ticket";
import { t } from "../texts";
import { Page } from "./page";

export function Welcome({ open }: { open: (link: Link) => void }) {
  const link = useSignal("");
  const invalid = useSignal(false);

  const submit = (event: Event): void => {
    event.preventDefault();
    const found = parseLink(link.value);
    invalid.value = found === null;
    if (found) open(found);
  };

  return (
    <Page title={t("welcome.title")}>
      <p class="lead">{t("welcome.text")}</p>
      <form class="stack" onSubmit={submit} noValidate>
        <label class="field">
          <span>{t("welcome.field")}</span>
          <input
            type="text"
            name="link"
            autocomplete="off"
            spellcheck={false}
            value={link}
            aria-invalid={invalid.value}
            aria-describedby={invalid.value ? "link-problem" : undefined}
            onInput={(event) => (link.value = event.currentTarget.value)}
          />
        </label>
        {invalid.value && (
          <p id="link-problem" class="problem" role="alert">
            {t("welcome.invalid")}
          </p>
        )}
        <button class="primary" type="submit">
          {t("welcome.open")}
        </button>
      </form>
      <p class="quiet">{t("welcome.private")}</p>
    </Page>
  );
}
