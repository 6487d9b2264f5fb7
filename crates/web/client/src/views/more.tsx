// What one needs now and then: sitting in one room, going on with another device, devices and preferences.
import type { Call } from "../call";
import { t } from "../texts";
import { sameRoom, type SameRoom } from "../view";
import { Choice } from "./choice";
import type { Open } from "./call";
import { Dialog } from "./dialog";
import { Icon } from "./icons";
import { RecordingAgreement } from "./recording";
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
      {hasView && <SameRooms call={call} />}
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

/** One question for each other client; therapists set it in their panel. */
function SameRooms({ call }: { call: Call }) {
  const { session } = call;
  if (session.role.value === "therapist") return null;
  const partners = call.others.value.filter(({ role }) => role === "client" || role === "guest");
  return (
    <>
      {partners.map(({ identity, name }) => (
        <Choice<SameRoom>
          key={identity}
          legend={t("same_room.question", { name })}
          hint={t("same_room.hint")}
          options={SAME_ROOM_OPTIONS.map((value) => ({ value, label: t(`same_room.${value}`) }))}
          value={sameRoom(session.view.value, session.identity, identity)}
          busy={session.busy.value.has("same-room")}
          choose={(how) => void session.run("same-room", () => session.setSameRoom(session.identity, identity, how))}
        />
      ))}
    </>
  );
}

export const SAME_ROOM_OPTIONS = ["apart", "audio", "audio_and_video"] as const;
