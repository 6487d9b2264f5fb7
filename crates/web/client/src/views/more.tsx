// What one needs now and then: sitting in one room, going on with another device, devices and preferences.
import type { Call } from "../call";
import { t } from "../texts";
import type { Open } from "./call";
import { Dialog } from "./dialog";
import { Icon } from "./icons";
import { RecordingAgreement } from "./recording";
import { SameRoomQuestion } from "./same-room";
import { Settings } from "./settings";

interface Props {
  call: Call;
  close: () => void;
  show: (what: Open) => void;
}

export function More({ call, close, show }: Props) {
  const hasView = call.session.view.value !== null;
  return (
    <Dialog title={t("more.title")} close={close}>
      <SameRoomQuestion call={call} />
      {hasView && (
        <div class="stack-small">
          <button class="secondary with-icon" type="button" onClick={() => show("hand-over")}>
            <Icon name="device" />
            {t("hand_over.open")}
          </button>
        </div>
      )}
      <RecordingAgreement session={call.session} />
      <Settings call={call} />
      <button class="primary" type="button" onClick={close}>
        {t("settings.close")}
      </button>
    </Dialog>
  );
}
