// Devices and preferences during the call: a part of the dialog that `more.tsx` opens.
import type { Signal } from "@preact/signals";
import type { Call } from "../call";
import type { DeviceKind } from "../devices";
import { mirrorSelf, shortcutsOn, showSelf } from "../preferences";
import { KEYS } from "../shortcuts";
import { language, languages, t, useLanguage } from "../texts";
import { DeviceSelect } from "./device-select";

export function Settings({ call }: { call: Call }) {
  const modality = call.session.modality.value;
  const choose = (kind: DeviceKind, id: string): void => void call.choose(kind, id);
  return (
    <section class="stack" aria-label={t("settings.title")}>
      {modality === "video" && <DeviceSelect kind="camera" current={call.inUse("camera")} choose={choose} />}
      {modality !== "text" && (
        <>
          <DeviceSelect kind="microphone" current={call.inUse("microphone")} choose={choose} />
          <DeviceSelect kind="speaker" current={call.inUse("speaker")} choose={choose} />
          <Check label={t("settings.self_view")} value={showSelf} />
        </>
      )}
      {modality === "video" && <Check label={t("settings.mirror")} value={mirrorSelf} />}
      <Check label={t("settings.shortcuts", KEYS)} value={shortcutsOn} />
      {languages.length > 1 && (
        <label class="field">
          <span>{t("settings.language")}</span>
          <select value={language} onChange={(event) => void useLanguage(event.currentTarget.value)}>
            {languages.map((tag) => (
              <option key={tag} value={tag} lang={tag}>
                {new Intl.DisplayNames([tag], { type: "language" }).of(tag)}
              </option>
            ))}
          </select>
        </label>
      )}
    </section>
  );
}

function Check({ label, value }: { label: string; value: Signal<boolean> }) {
  return (
    <label class="check">
      <input type="checkbox" checked={value} onChange={(event) => (value.value = event.currentTarget.checked)} />
      <span>{label}</span>
    </label>
  );
}
