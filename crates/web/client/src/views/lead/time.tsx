// How long it still goes on, more time, the lock, and the end for all.
import { now, useClock } from "../../clock";
import type { Session } from "../../session";
import { t, tn } from "../../texts";
import type { SessionView } from "../../view";
import { CommandButton } from "../command";
import { Icon } from "../icons";
import { clockTime } from "../planned";

const MINUTE_MS = 60_000;
const EXTEND_MINUTES = 10;

export function Time({ session, end }: { session: Session; end: () => void }) {
  useClock();
  const view = session.view.value;
  if (!view) return null;
  const { planned_end_ms: planned, locked = false } = view.session;
  return (
    <section class="panel-section" aria-labelledby="time-title">
      <h3 id="time-title" tabIndex={-1}>
        {t("lead.time")}
      </h3>
      {planned ? <Planned session={session} view={view} planned={planned} /> : <Unplanned view={view} />}
      <p class="with-icon">
        <Icon name={locked ? "lock" : "unlock"} />
        {t(locked ? "lead.locked" : "lead.unlocked")}
      </p>
      <div class="choices">
        <CommandButton session={session} name="lock" give={() => session.setLock(!locked)}>
          {t(locked ? "lead.unlock" : "lead.lock")}
        </CommandButton>
        <button class="danger small" type="button" onClick={end}>
          {t("lead.end")}
        </button>
      </div>
    </section>
  );
}

/** "23 minutes left", or how long it has gone on beyond the plan. */
function timeLeft(session: Session, planned: number): string {
  const left = Math.ceil((planned - now.value - session.skew) / MINUTE_MS);
  return left > 0 ? tn("lead.time_left", left, { minutes: left }) : tn("lead.time_over", -left, { minutes: -left });
}

/** The same where the panel is closed or scrolled. */
export function TimeLeft({ session }: { session: Session }) {
  useClock();
  const planned = session.view.value?.session.planned_end_ms;
  return planned ? <p class="fact">{timeLeft(session, planned)}</p> : null;
}

function Planned({ session, view, planned }: { session: Session; view: SessionView; planned: number }) {
  const ends = view.session.ends_at_ms;
  const serverNow = now.value + session.skew;
  const until = Math.max(ends ?? planned, serverNow) + EXTEND_MINUTES * MINUTE_MS;
  return (
    <>
      <p class="time-left">{timeLeft(session, planned)}</p>
      <p class="quiet">
        {t("lead.planned_end", { time: clockTime(planned) })}
        {ends && ends !== planned ? ` ${t("lead.ends_at", { time: clockTime(ends) })}` : ""}
      </p>
      <div class="choices">
        <CommandButton session={session} name="extend" give={() => session.extend(Math.round(until))}>
          {tn("lead.extend", EXTEND_MINUTES, { minutes: EXTEND_MINUTES })}
        </CommandButton>
      </div>
    </>
  );
}

/** Without a plan there is only the longest that any session may go on. */
function Unplanned({ view }: { view: SessionView }) {
  const ends = view.session.ends_at_ms;
  return <p class="quiet">{ends ? t("lead.ends_at", { time: clockTime(ends) }) : t("lead.unplanned")}</p>;
}
