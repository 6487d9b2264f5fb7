// When the session is planned to begin, where it is.
import { language, t } from "../texts";
import type { SessionView } from "../view";

/** A time of day, with its day when that is not today: people travel, and sessions are at unusual hours. */
export function clockTime(atMs: number): string {
  const at = new Date(atMs);
  const isToday = at.toDateString() === new Date().toDateString();
  const day = isToday ? {} : ({ weekday: "long", day: "numeric", month: "long" } as const);
  return new Intl.DateTimeFormat(language.value, { ...day, hour: hourStyle(), minute: "2-digit" }).format(at);
}

/** "9:10 AM", but "09:10": "numeric" takes the zero from clocks of 24 hours as well. */
function hourStyle(): "numeric" | "2-digit" {
  const { hour12 } = new Intl.DateTimeFormat(language.value, { timeStyle: "short" }).resolvedOptions();
  return hour12 ? "numeric" : "2-digit";
}

export function Planned({ view }: { view: SessionView | null }) {
  const startsAt = view?.session.starts_at_ms;
  if (!startsAt || view.session.phase === "ended") return null;
  return <p class="quiet">{t("planned.starts", { time: clockTime(startsAt) })}</p>;
}
