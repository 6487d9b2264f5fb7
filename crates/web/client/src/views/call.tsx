// The call page: who can hear me, the people, the controls; for those who lead, the panel beside it.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { stayAwake } from "../awake";
import type { Call } from "../call";
import { listenForShortcuts } from "../shortcuts";
import { t } from "../texts";
import type { Ticket } from "../ticket";
import { Banners } from "./banners";
import { ChatView } from "./chat";
import { Controls } from "./controls";
import { HandOver } from "./hand-over";
import { Icon } from "./icons";
import { LeaveDialog } from "./leave";
import { Panel, panelOpen } from "./lead/panel";
import { TimeLeft } from "./lead/time";
import { More } from "./more";
import { QuickExit } from "./quick-exit";
import { Stage } from "./stage";

export type Open = "more" | "leave" | "hand-over" | null;

export function CallView({ call, ticket }: { call: Call; ticket: Ticket }) {
  const open = useSignal<Open>(null);
  const close = (): void => void (open.value = null);
  const leads = call.session.role.value === "therapist";

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
    <div class="call" data-leads={leads} data-panel={leads && panelOpen.value}>
      <Head call={call} leads={leads} encrypted={ticket.key !== null} />
      <main class="call-main">
        <Banners call={call} />
        {call.session.modality.value === "text" ? <ChatView call={call} /> : <Stage call={call} />}
      </main>
      {leads && <Panel call={call} end={() => (open.value = "leave")} />}
      <footer class="call-foot">
        <Controls call={call} leads={leads} show={(what) => (open.value = what)} />
      </footer>
      {open.value === "more" && <More call={call} close={close} show={(what) => (open.value = what)} />}
      {open.value === "hand-over" && <HandOver call={call} ticket={ticket} close={close} />}
      {open.value === "leave" && <LeaveDialog call={call} leads={leads} close={close} />}
    </div>
  );
}

/** State is always in words, and always in the same place. */
function Head({ call, leads, encrypted }: { call: Call; leads: boolean; encrypted: boolean }) {
  const { lead, rest } = call.standing.value;
  const isSealed = call.session.place.value === "check_in";
  return (
    <header class="call-head">
      <h1 class="hidden-words">{t("call.title")}</h1>
      <div class="standing" role="status" data-sealed={isSealed}>
        {isSealed && <Icon name="seal" />}
        <p class="audience">{lead}</p>
        {rest.map((sentence) => (
          <p key={sentence} class="standing-rest">
            {sentence}
          </p>
        ))}
      </div>
      <div class="facts">
        {leads && !panelOpen.value && <TimeLeft session={call.session} />}
        {encrypted && (
          <p class="fact">
            <Icon name="lock" />
            {t("call.encrypted")}
          </p>
        )}
      </div>
      <QuickExit />
    </header>
  );
}
