// Who is heard, and who sits together in one room.
import type { Session } from "../../session";
import { isInside } from "../../standing";
import { t } from "../../texts";
import { sameRoom, type PersonView, type SameRoom } from "../../view";
import { Choice } from "../choice";
import { SAME_ROOM_OPTIONS } from "../more";

export function Floor({ session }: { session: Session }) {
  const view = session.view.value;
  const clients = (view?.people ?? []).filter(
    (person) => (person.role === "client" || person.role === "guest") && isInside(person),
  );
  // With one client nobody's voice can be in the way of another's.
  if (clients.length < 2) return null;
  return (
    <section class="panel-section" aria-labelledby="floor-title">
      <h3 id="floor-title" tabIndex={-1}>
        {t("lead.voices")}
      </h3>
      <WhoIsHeard session={session} clients={clients} />
      {pairs(clients).map(([a, b]) => (
        <Choice<SameRoom>
          key={`${a.identity} ${b.identity}`}
          legend={t("lead.same_room", { a: shown(a), b: shown(b) })}
          options={SAME_ROOM_OPTIONS.map((value) => ({ value, label: t(`same_room.${value}`) }))}
          value={sameRoom(view, a.identity, b.identity)}
          busy={session.busy.value.has(`same-room ${a.identity} ${b.identity}`)}
          choose={(how) =>
            void session.run(`same-room ${a.identity} ${b.identity}`, () =>
              session.setSameRoom(a.identity, b.identity, how),
            )
          }
        />
      ))}
    </section>
  );
}

const shown = ({ name }: PersonView): string => name || t("call.unnamed");

function pairs(people: readonly PersonView[]): [PersonView, PersonView][] {
  return people.flatMap((a, index) => people.slice(index + 1).map((b): [PersonView, PersonView] => [a, b]));
}

/** Choices are written as `open`, `therapist_only`, or `one:` and an identity. */
function WhoIsHeard({ session, clients }: { session: Session; clients: readonly PersonView[] }) {
  const floor = session.view.value?.floor;
  const value = floor?.mode === "one_voice" ? `one:${floor.identity ?? ""}` : (floor?.mode ?? "open");
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
        { value: "therapist_only", label: t("lead.floor_therapist") },
        ...clients.map((person) => ({
          value: `one:${person.identity}`,
          label: t("lead.floor_one", { name: shown(person) }),
        })),
      ]}
      value={value}
      busy={session.busy.value.has("floor")}
      choose={choose}
    />
  );
}
