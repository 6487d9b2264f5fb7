// The call page: who can hear me, the people, the controls.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { stayAwake } from "../awake";
import type { Call } from "../call";
import { listenForShortcuts } from "../shortcuts";
import { t } from "../texts";
import { Controls } from "./controls";
import { Dialog } from "./dialog";
import { Icon } from "./icons";
import { Settings } from "./settings";
import { Stage } from "./stage";

/** How long a notice stays: long enough to be read twice. */
const NOTICE_MS = 6000;

type Open = "settings" | "leave" | null;

export function CallView({ call, encrypted }: { call: Call; encrypted: boolean }) {
  const open = useSignal<Open>(null);
  const close = (): void => void (open.value = null);

  useEffect(
    () =>
      listenForShortcuts((shortcut) => {
        if (shortcut === "microphone") void call.toggleMicrophone();
        if (shortcut === "camera") void call.toggleCamera();
        if (shortcut === "screen") void call.toggleScreen();
        if (shortcut === "leave") open.value = "leave";
      }),
    [call],
  );

  useEffect(() => stayAwake(), []);

  return (
    <div class="call">
      <header class="call-head">
        <h1 class="hidden-words">{t("call.title")}</h1>
        <p class="audience" role="status">
          {call.audience}
        </p>
        {encrypted && (
          <p class="encrypted">
            <Icon name="lock" />
            {t("call.encrypted")}
          </p>
        )}
      </header>
      <main class="call-main">
        <Banners call={call} />
        <Stage call={call} />
      </main>
      <footer>
        <Controls call={call} openSettings={() => (open.value = "settings")} leave={() => (open.value = "leave")} />
      </footer>
      {open.value === "settings" && <Settings call={call} close={close} />}
      {open.value === "leave" && <LeaveDialog leave={() => void call.leave()} close={close} />}
    </div>
  );
}

function Banners({ call }: { call: Call }) {
  const shown = useSignal(0);
  const { id, text } = call.notice.value;

  useEffect(() => {
    shown.value = id;
    const timer = setTimeout(() => (shown.value = 0), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [id]);

  return (
    <div class="banners">
      <div role="alert">
        {call.connection.value === "reconnecting" && <p class="banner banner-warn">{t("call.reconnecting")}</p>}
      </div>
      {call.self.value?.screen && <p class="banner banner-sharing">{t("call.screen_own")}</p>}
      <div role="status">{text && shown.value === id && <p class="banner">{text}</p>}</div>
      {call.soundBlocked.value && (
        <div class="banner banner-warn">
          <p>{t("call.sound_blocked")}</p>
          <button class="secondary" type="button" onClick={() => void call.allowSound()}>
            {t("call.sound_allow")}
          </button>
        </div>
      )}
    </div>
  );
}

function LeaveDialog({ leave, close }: { leave: () => void; close: () => void }) {
  return (
    <Dialog title={t("leave.title")} close={close}>
      <p>{t("leave.text")}</p>
      <div class="choices">
        <button class="secondary" type="button" onClick={close}>
          {t("leave.stay")}
        </button>
        <button class="danger" type="button" onClick={leave}>
          {t("leave.confirm")}
        </button>
      </div>
    </Dialog>
  );
}
