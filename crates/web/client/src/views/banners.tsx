// What floats above the pictures: broken lines, refusals, notices, the time that is left.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Call } from "../call";
import { t, tn } from "../texts";
import { BackupPlan } from "./backup-plan";
import { panelOpen } from "./lead/panel";
import { NewestNote } from "./lead/private-notes";

/** How long a notice stays: long enough to be read twice. */
const NOTICE_MS = 6_000;

export function Banners({ call }: { call: Call }) {
  const { session } = call;
  const notice = useShownForAWhile(call.notice.value);
  const refusal = useShownForAWhile(session.problem.value);
  const minutes = session.view.value?.minutes_left ?? 0;
  const timeLeft = useShownForAWhile({ id: minutes, text: minutes ? tn("call.minutes_left", minutes, { minutes }) : "" });
  return (
    <div class="banners">
      <div role="alert">
        {call.connection.value === "reconnecting" && <p class="banner banner-warn">{t("call.reconnecting")}</p>}
        {!call.carriesSound.value && (
          <div class="banner banner-warn not-carried">
            <p>{t("call.not_carried")}</p>
            <BackupPlan view={session.view.value} />
          </div>
        )}
        {call.self.value?.still && <p class="banner banner-warn">{t("call.camera_gives_nothing")}</p>}
        {refusal && <p class="banner banner-warn">{refusal}</p>}
        {session.freshness.value === "stale" && call.connection.value === "connected" && (
          <p class="banner banner-warn">{t("call.stale")}</p>
        )}
      </div>
      {session.role.value === "therapist" && <NewestNote call={call} shown={!panelOpen.value} />}
      {call.self.value?.screen && <p class="banner banner-sharing">{t("call.screen_own")}</p>}
      <div role="status">
        {timeLeft && <p class="banner">{timeLeft}</p>}
        {notice && <p class="banner">{notice}</p>}
      </div>
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

function useShownForAWhile({ id, text }: { id: number; text: string }): string | null {
  const shown = useSignal(0);
  useEffect(() => {
    if (!id) return;
    shown.value = id;
    const timer = setTimeout(() => (shown.value = 0), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [id]);
  return text && shown.value === id ? text : null;
}
