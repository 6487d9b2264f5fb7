// The bar of the call: microphone, camera, screen, settings, leave.
import type { Call } from "../call";
import { shortcutsOn } from "../preferences";
import { KEYS } from "../shortcuts";
import { t } from "../texts";
import { Icon, type IconName } from "./icons";

interface Props {
  call: Call;
  openSettings: () => void;
  leave: () => void;
}

const canShareScreen = "getDisplayMedia" in (navigator.mediaDevices ?? {});

export function Controls({ call, openSettings, leave }: Props) {
  const self = call.self.value;
  const allowed = call.mayPublish.value;
  const microphone = self?.microphone ?? false;
  const camera = self?.camera != null;
  const sharing = self?.screen != null;
  return (
    <div class="controls" role="group" aria-label={t("control.bar")}>
      <Control
        name={t(microphone ? "control.microphone_off" : "control.microphone_on")}
        label={t("control.label.microphone")}
        icon={microphone ? "microphone" : "microphone-off"}
        shortcut={KEYS.microphone}
        off={!microphone}
        allowed={allowed}
        press={() => void call.toggleMicrophone()}
      />
      <Control
        name={t(camera ? "control.camera_off" : "control.camera_on")}
        label={t("control.label.camera")}
        icon={camera ? "camera" : "camera-off"}
        shortcut={KEYS.camera}
        off={!camera}
        allowed={allowed}
        press={() => void call.toggleCamera()}
      />
      {canShareScreen && (
        <Control
          name={t(sharing ? "control.screen_off" : "control.screen_on")}
          label={t(sharing ? "control.label.sharing" : "control.label.screen")}
          icon={sharing ? "screen-off" : "screen"}
          shortcut={KEYS.screen}
          active={sharing}
          allowed={allowed}
          press={() => void call.toggleScreen()}
        />
      )}
      <Control name={t("control.settings")} label={t("control.label.settings")} icon="settings" press={openSettings} />
      <Control
        name={t("control.leave")}
        label={t("control.label.leave")}
        icon="leave"
        shortcut={KEYS.leave}
        leaving
        press={leave}
      />
    </div>
  );
}

interface ControlProps {
  /** What pressing it does, for assistive technology; contains the label. */
  name: string;
  label: string;
  icon: IconName;
  press: () => void;
  shortcut?: string;
  allowed?: boolean;
  off?: boolean;
  active?: boolean;
  leaving?: boolean;
}

function Control({ name, label, icon, press, shortcut, allowed = true, off, active, leaving }: ControlProps) {
  const key = shortcut && shortcutsOn.value ? shortcut : undefined;
  const title = allowed ? (key ? `${name} (${key})` : name) : t("control.not_allowed");
  return (
    <button
      class="control"
      type="button"
      title={title}
      aria-label={name}
      aria-keyshortcuts={key}
      disabled={!allowed}
      data-off={off ?? false}
      data-active={active ?? false}
      data-leaving={leaving ?? false}
      onClick={press}
    >
      <span class="round">
        <Icon name={icon} />
      </span>
      <span class="control-label" aria-hidden="true">
        {label}
      </span>
    </button>
  );
}
