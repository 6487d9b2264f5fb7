// Leaving, and for those who lead, ending for all: asked once, since both are one press away from a slip.
import type { Call } from "../call";
import { t } from "../texts";
import { Dialog } from "./dialog";

export function LeaveDialog({ call, leads, close }: { call: Call; leads: boolean; close: () => void }) {
  const { session } = call;
  return (
    <Dialog title={t("leave.title")} close={close}>
      <p>{t(leads ? "leave.text_lead" : "leave.text")}</p>
      <div class="choices">
        <button class="secondary" type="button" onClick={close}>
          {t("leave.stay")}
        </button>
        <button class={leads ? "secondary" : "danger"} type="button" onClick={() => void call.leave()}>
          {t("leave.confirm")}
        </button>
        {leads && (
          <button
            class="danger"
            type="button"
            aria-busy={session.busy.value.has("end")}
            onClick={() => void session.run("end", () => session.end())}
          >
            {t("leave.end")}
          </button>
        )}
      </div>
    </Dialog>
  );
}
