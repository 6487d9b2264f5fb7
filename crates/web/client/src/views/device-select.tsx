// One labelled list of cameras, microphones or speakers.
import { canChooseSpeaker, chosen, devices, type DeviceKind } from "../devices";
import { t } from "../texts";

interface Props {
  kind: DeviceKind;
  /** The device in use when nobody has chosen one. */
  current?: string | undefined;
  choose: (kind: DeviceKind, id: string) => void;
}

export function DeviceSelect({ kind, current, choose }: Props) {
  if (kind === "speaker" && !canChooseSpeaker) return null;
  const list = devices.value[kind];
  const value = chosen.value[kind] || current || list[0]?.deviceId || "";
  return (
    <label class="field">
      <span>{t(`device.${kind}`)}</span>
      <select value={value} disabled={list.length === 0} onChange={(event) => choose(kind, event.currentTarget.value)}>
        {list.length === 0 && <option value="">{t("device.default")}</option>}
        {list.map((device, index) => (
          <option key={device.deviceId} value={device.deviceId}>
            {device.label || t("device.unnamed", { number: index + 1 })}
          </option>
        ))}
      </select>
    </label>
  );
}
