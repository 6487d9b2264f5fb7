// Which page is shown: welcome -> prejoin -> call -> ended. Each stage owns what it needs and nothing outlives it.
import { signal } from "@preact/signals";
import { Call } from "./call";
import { Preview } from "./preview";
import { joinProblem, type Ending } from "./problems";
import { forgetTicket, keepTicket, takeTicket, type Ticket } from "./ticket";
import { t } from "./texts";
import { CallView } from "./views/call";
import { Ended } from "./views/ended";
import { Prejoin } from "./views/prejoin";
import { Welcome } from "./views/welcome";

type Stage =
  | { at: "welcome" }
  | { at: "prejoin"; ticket: Ticket; preview: Preview; joining: boolean; problem: string }
  | { at: "call"; ticket: Ticket; call: Call }
  | { at: "ended"; ticket: Ticket; how: Ending };

const stage = signal<Stage>({ at: "welcome" });

function prepare(ticket: Ticket, problem = ""): void {
  if (stage.value.at === "prejoin") stage.value.preview.stop();
  const preview = new Preview();
  stage.value = { at: "prejoin", ticket, preview, joining: false, problem };
  void preview.start();
}

async function join(ticket: Ticket, preview: Preview): Promise<void> {
  stage.value = { at: "prejoin", ticket, preview, joining: true, problem: "" };
  const call = new Call((how) => finish(call, ticket, how), ticket.key !== null);
  try {
    await call.join(ticket);
  } catch (error) {
    return prepare(ticket, t(joinProblem(error)));
  }
  keepTicket(ticket);
  stage.value = { at: "call", ticket, call };
  await call.start(preview);
}

/** Only the call that is on screen may end the page: a failed join tells its story by its error. */
function finish(call: Call, ticket: Ticket, how: Ending): void {
  const now = stage.value;
  if (now.at !== "call" || now.call !== call) return;
  if (how === "left" || how === "over" || how === "removed") forgetTicket();
  stage.value = { at: "ended", ticket, how };
}

/** A link opened in this tab while it shows the page changes the fragment only. */
function openLink(): void {
  const ticket = takeTicket();
  if (ticket && stage.value.at !== "call") prepare(ticket);
}

window.addEventListener("hashchange", openLink);
openLink();

export function App() {
  const now = stage.value;
  switch (now.at) {
    case "welcome":
      return <Welcome open={prepare} />;
    case "prejoin":
      return (
        <Prejoin
          ticket={now.ticket}
          preview={now.preview}
          joining={now.joining}
          problem={now.problem}
          join={() => void join(now.ticket, now.preview)}
        />
      );
    case "call":
      return <CallView call={now.call} encrypted={now.ticket.key !== null} />;
    case "ended":
      return <Ended how={now.how} rejoin={() => prepare(now.ticket)} />;
  }
}
