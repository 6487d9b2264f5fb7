// The bar of the call: microphone, camera, screen, for clients the private sign, for those who lead the people, more, leave.
import type { Call } from "../call";
import { shortcutsOn } from "../preferences";
import { KEYS } from "../shortcuts";
import { t, tn } from "../texts";
import type { Open } from "./call";
import { Icon, type IconName } from "./icons";
import { panelOpen } from "./lead/panel";
import { useSign } from "./signal-button";

interface Props {
  call: Call;
  leads: boolean;
  show: (what: Open) => void;
}

const canShareScreen = "getDisplayMedia" in (navigator.mediaDevices ?? {});

export function Controls({ call, leads, show }: Props) {
  const self = call.self.value;
  const allowed = call.mayPublish.value;
  const microphone = self?.microphone ?? false;
  const camera = self?.camera != null;
  const sharing = self?.screen != null;
  const modality = call.session.modality.value;
  const carriesPictures = modality === "video";
  return (
    <div class="controls" role="group" aria-label={t("control.bar")}>
      {modality !== "text" && (
        <Control
          name={t(microphone ? "control.microphone_off" : "control.microphone_on")}
          label={t("control.label.microphone")}
          icon={microphone ? "microphone" : "microphone-off"}
          shortcut={KEYS.microphone}
          off={!microphone}
          allowed={allowed}
          press={() => void call.toggleMicrophone()}
        />
      )}
      {carriesPictures && (
        <Control
          name={t(camera ? "control.camera_off" : "control.camera_on")}
          label={t("control.label.camera")}
          icon={camera ? "camera" : "camera-off"}
          shortcut={KEYS.camera}
          off={!camera}
          allowed={allowed}
          press={() => void call.toggleCamera()}
        />
      )}
      {canShareScreen && carriesPictures && (
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
      {leads && <PeopleControl call={call} />}
      {!leads && call.session.view.value && <SignControl call={call} />}
      <Control
        name={t("control.more")}
        label={t("control.label.more")}
        icon="settings"
        press={() => show("more")}
      />
      <Control
        name={t("control.leave")}
        label={t("control.label.leave")}
        icon="leave"
        shortcut={KEYS.leave}
        leaving
        press={() => show("leave")}
      />
    </div>
  );
}

/** Opens and closes the panel where it is not beside the stage, and says how many wait. */
function PeopleControl({ call }: { call: Call }) {
  const waiting = call.session.view.value?.people?.filter(({ place }) => place === "waiting").length ?? 0;
  const name = waiting ? tn("control.people_waiting", waiting, { count: waiting }) : t("control.people");
  return (
    <Control
      name={name}
      label={t("control.label.people")}
      icon="people"
      badge={waiting}
      expanded={panelOpen.value}
      press={() => (panelOpen.value = !panelOpen.value)}
    />
  );
}

/** Private and quiet: nobody but the therapists learns of it, and here it shows for a few seconds only. */
function SignControl({ call }: { call: Call }) {
  const { sent, give } = useSign(call.session);
  return (
    <>
      <Control
        name={t("signal.name")}
        label={t(sent ? "signal.label_sent" : "signal.label")}
        icon={sent ? "done" : "hand"}
        press={give}
      />
      <span class="hidden-words" role="status">
        {sent && t("signal.sent")}
      </span>
    </>
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
  badge?: number;
  expanded?: boolean;
}

function Control(props: ControlProps) {
  const { name, label, icon, press, shortcut, allowed = true, off, active, leaving, badge, expanded } = props;
  const key = shortcut && shortcutsOn.value ? shortcut : undefined;
  const title = allowed ? (key ? `${name} (${key})` : name) : t("control.not_allowed");
  return (
    <button
      class="control"
      type="button"
      title={title}
      aria-label={name}
      aria-keyshortcuts={key}
      aria-expanded={expanded}
      disabled={!allowed}
      data-off={off ?? false}
      data-active={active ?? false}
      data-leaving={leaving ?? false}
      onClick={press}
    >
      <span class="round" data-badge={badge || undefined}>
        <Icon name={icon} />
      </span>
      <span class="control-label" aria-hidden="true">
        {label}
      </span>
    </button>
  );
}
