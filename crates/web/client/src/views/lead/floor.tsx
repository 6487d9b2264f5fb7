// Who is heard, and who sits together in one room.
import type { Session } from "../../session";
import { isInside } from "../../standing";
import { list, t } from "../../texts";
import type { PersonView } from "../../view";
import { Choice } from "../choice";
import { Rooms, shown } from "./rooms";

export function Floor({ session }: { session: Session }) {
  const view = session.view.value;
  const clients = (view?.people ?? []).filter(
    (person) => (person.role === "client" || person.role === "guest") && isInside(person),
  );
  // With one client nobody's voice can be in the way of another's, and what is written is in nobody's way.
  if (clients.length < 2 || session.modality.value === "text") return null;
  return (
    <section class="panel-section" aria-labelledby="floor-title">
      <h3 id="floor-title" tabIndex={-1}>
        {t("lead.voices")}
      </h3>
      <WhoIsHeard session={session} clients={clients} />
      <Rooms session={session} clients={clients} />
    </section>
  );
}

/** Choices are written as `open`, `therapist_only`, or `one:` and an identity. */
function WhoIsHeard({ session, clients }: { session: Session; clients: readonly PersonView[] }) {
  const floor = session.view.value?.floor;
  const value = floor?.mode === "one_voice" ? `one:${floor.identity ?? ""}` : (floor?.mode ?? "open");
  const people = session.view.value?.people ?? [];
  const me = session.view.value?.me.identity;
  const isColleague = (person: PersonView): boolean => person.role === "therapist" && person.identity !== me && isInside(person);
  const colleagues = people.filter(isColleague).map(shown);
  const choose = (wanted: string): void => {
    const command = wanted.startsWith("one:")
      ? () => session.setFloor("one_voice", wanted.slice(4))
      : () => session.setFloor(wanted as "open" | "therapist_only");
    void session.run("floor", command);
  };
  return (
    <Choice<string>
      legend={t("lead.floor")}
      hint={t("lead.floor_hint")}
      options={[
        { value: "open", label: t("lead.floor_open") },
        { value: "therapist_only", label: onlyUs(colleagues) },
        ...clients.map((person) => ({
          value: `one:${person.identity}`,
          label: weAnd(colleagues, shown(person)),
        })),
      ]}
      value={value}
      busy={session.busy.value.has("floor")}
      choose={choose}
    />
  );
}

function onlyUs(colleagues: readonly string[]): string {
  if (colleagues.length === 0) return t("lead.floor_therapist");
  return t("lead.floor_therapists", { names: list([t("standing.you_within"), ...colleagues]) });
}

function weAnd(colleagues: readonly string[], name: string): string {
  return colleagues.length === 0 ? t("lead.floor_one", { name }) : list([t("standing.you"), ...colleagues, name]);
}
