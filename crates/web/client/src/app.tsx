// Which page is shown: welcome -> opening -> notice -> prejoin -> inside -> ended. Each stage owns what it needs and
// nothing outlives it. Inside, the server's view decides what is on screen.
import { effect, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Problem, redeem } from "./api";
import { Call } from "./call";
import { exitNow, listenForEscape, quickExit } from "./exit";
import { LineTest } from "./line/line-test";
import { Preview } from "./preview";
import { joinProblem, openProblem, type Ending } from "./problems";
import { Session } from "./session";
import { forgetTicket, isInvitation, keepTicket, readTicket, takeLink, type Invitation } from "./ticket";
import type { Link, Ticket } from "./ticket";
import { t, type TextKey } from "./texts";
import { Blocked } from "./views/blocked";
import { CallView } from "./views/call";
import { Ended } from "./views/ended";
import { Hold } from "./views/hold";
import { Notice } from "./views/notice";
import { Opening } from "./views/opening";
import { Prejoin } from "./views/prejoin";
import { Waiting } from "./views/waiting";
import { Welcome } from "./views/welcome";

/** One person's way through one session. */
interface Visit {
  readonly ticket: Ticket;
  readonly session: Session;
}

type Stage =
  | { at: "welcome" }
  | { at: "opening" }
  | { at: "blocked"; problem: TextKey; retry: (() => void) | null }
  | { at: "notice"; visit: Visit }
  | { at: "prejoin"; visit: Visit; preview: Preview; line: LineTest; joining: boolean; problem: string }
  | { at: "inside"; visit: Visit; preview: Preview; call: Call }
  | { at: "ended"; visit: Visit; how: Ending };

const stage = signal<Stage>({ at: "welcome" });

async function open(link: Link): Promise<void> {
  close(stage.value);
  stage.value = { at: "opening" };
  let known = link;
  try {
    if (isInvitation(known)) known = await accept(known);
    const visit = visitWith(known);
    await see(visit.session);
    begin(visit);
  } catch (error) {
    if (error instanceof Problem && error.kind === "session-ended") return over(known);
    const problem = openProblem(error);
    const retry = problem === "error.join_refused" ? null : () => void open(known);
    if (!retry) forgetTicket();
    stage.value = { at: "blocked", problem, retry };
  }
}

function visitWith(ticket: Ticket): Visit {
  const renewed = (token: string): void => keepTicket({ ...ticket, token });
  return { ticket, session: new Session(ticket.session, ticket.identity, ticket.token, renewed) };
}

/** The same person with the newest token. */
const again = ({ ticket, session }: Visit): Ticket => ({ ...ticket, token: session.token });

async function accept({ secret, key, attempt }: Invitation): Promise<Ticket> {
  const { token } = await redeem(secret, attempt);
  const ticket = readTicket(token, key);
  if (!ticket) throw new Problem(500, "token");
  keepTicket(ticket);
  return ticket;
}

/** A session that only media clients know has no view (yet); the call works without. */
async function see(session: Session): Promise<void> {
  try {
    await session.open();
  } catch (error) {
    if (error instanceof Problem && (error.status === 404 || error.kind === "session-not-open")) return;
    session.close();
    throw error;
  }
}

function begin(visit: Visit): void {
  const facts = visit.session.view.value?.session;
  if (facts?.phase === "ended") return over(visit.ticket);
  // Without the key one would get in, see nobody and be seen by nobody.
  if (facts?.e2ee === "required" && visit.ticket.key === null) {
    visit.session.close();
    forgetTicket();
    stage.value = { at: "blocked", problem: "error.join_encryption", retry: null };
    return;
  }
  if (visit.session.unread.value) stage.value = { at: "notice", visit };
  else prepare(visit);
}

function prepare(visit: Visit, problem = ""): void {
  close(stage.value, visit);
  const preview = new Preview(visit.session.modality.value);
  const line = new LineTest(visit.session);
  stage.value = { at: "prejoin", visit, preview, line, joining: false, problem };
  void preview.start();
}

async function join(visit: Visit, preview: Preview, line: LineTest): Promise<void> {
  line.stop();
  stage.value = { at: "prejoin", visit, preview, line, joining: true, problem: "" };
  keepTicket(again(visit));
  const call = new Call(visit.session, visit.ticket.key !== null, (how) => finish(call, visit, how));
  try {
    await call.join(again(visit));
  } catch (error) {
    return prepare(visit, t(joinProblem(error)));
  }
  if (visit.session.freshness.value === "absent") void visit.session.open().catch(() => undefined);
  stage.value = { at: "inside", visit, preview, call };
}

/** Only the call that is on screen may end the page: a failed join tells its story by its error. */
function finish(call: Call, visit: Visit, how: Ending): void {
  const now = stage.value;
  if (now.at !== "inside" || now.call !== call) return;
  now.preview.stop();
  if (how !== "lost" && how !== "shutdown" && how !== "duplicate") forgetTicket();
  visit.session.close();
  stage.value = { at: "ended", visit, how };
}

function over(link: Link): void {
  forgetTicket();
  if (isInvitation(link)) stage.value = { at: "blocked", problem: "ended.over_title", retry: null };
  else stage.value = { at: "ended", visit: visitWith(link), how: "over" };
}

/** Lets go of what a stage holds, but not of the visit that goes on. */
function close(left: Stage, goesOn?: Visit): void {
  if (left.at === "prejoin" || left.at === "inside") left.preview.stop();
  if (left.at === "prejoin") left.line.stop();
  if ("visit" in left && left.visit !== goesOn) left.visit.session.close();
}

/** A link opened in this tab while it shows the page changes the fragment only. */
function openLink(): void {
  const link = takeLink();
  if (link && stage.value.at !== "inside") void open(link);
}

/** The quick exit is for everyone but those who lead. */
effect(() => {
  const now = stage.value;
  if (!("visit" in now) || now.visit.ticket.role === "therapist") return void (exitNow.value = null);
  const stop = (): void => {
    if (now.at === "prejoin" || now.at === "inside") now.preview.stop();
    if (now.at === "prejoin") now.line.stop();
    if (now.at === "inside") now.call.silence();
  };
  const session = now.at === "ended" ? null : now.visit.session;
  exitNow.value = () => quickExit(session, stop);
});
effect(() => (exitNow.value ? listenForEscape(exitNow.value) : undefined));

window.addEventListener("hashchange", openLink);
openLink();

export function App() {
  const now = stage.value;
  switch (now.at) {
    case "welcome":
      return <Welcome open={(link) => void open(link)} />;
    case "opening":
      return <Opening />;
    case "blocked":
      return <Blocked problem={now.problem} again={now.retry} />;
    case "notice":
      return <Reading visit={now.visit} accepted={() => prepare(now.visit)} />;
    case "prejoin":
      return (
        <Prejoin
          ticket={now.visit.ticket}
          view={now.visit.session.view.value}
          preview={now.preview}
          line={now.line}
          joining={now.joining}
          problem={now.problem}
          join={() => void join(now.visit, now.preview, now.line)}
        />
      );
    case "inside":
      return <Inside visit={now.visit} preview={now.preview} call={now.call} />;
    case "ended":
      return <Ended how={now.how} view={now.visit.session.view.value} rejoin={() => void open(again(now.visit))} />;
  }
}

function Reading({ visit: { session }, accepted }: { visit: Visit; accepted: () => void }) {
  const consent = session.unread.value;
  const leave = (): void => {
    forgetTicket();
    session.close();
    stage.value = { at: "welcome" };
  };
  if (!consent) return <Opening />;
  const accept = (): void => {
    session.accept(consent);
    accepted();
  };
  return <Notice consent={consent} session={session} accept={accept} decline={leave} />;
}

/** What is on screen follows the place that the server says I am in. */
function Inside({ visit, preview, call }: { visit: Visit; preview: Preview; call: Call }) {
  const { session, ticket } = visit;
  const place = session.place.value;
  const consent = session.unread.value;
  const isIn = place !== "waiting" && place !== "outside";

  useEffect(() => {
    if (isIn) void call.start(preview);
  }, [isIn, call, preview]);

  if (consent) {
    const leave = (): void => void call.leave();
    return <Notice consent={consent} session={session} accept={() => session.accept(consent)} decline={leave} />;
  }
  if (place === "outside") return <Opening />;
  if (place === "waiting") return <Waiting session={session} call={call} preview={preview} />;
  if (place === "hold") return <Hold session={session} call={call} />;
  return <CallView call={call} ticket={ticket} />;
}
