// Who sits in one room with devices of their own, as those who lead see and say it: of a couple one question, of more
// people the rooms there are, and one dialog that says a whole room at once.
import { useSignal } from "@preact/signals";
import { changes, rooms, type Kept, type SharedRoom } from "../../rooms";
import type { Session } from "../../session";
import { list, t } from "../../texts";
import { sameRoom, type PersonView, type SameRoom } from "../../view";
import { Choice } from "../choice";
import { Dialog } from "../dialog";
import { keptOptions, ways } from "../same-room";

interface Props {
  session: Session;
  clients: readonly PersonView[];
}

export function Rooms({ session, clients }: Props) {
  const [a, b] = clients;
  if (!a || !b) return null;
  return clients.length === 2 ? <OfTwo session={session} a={a} b={b} /> : <OfSeveral session={session} clients={clients} />;
}

export const shown = ({ name }: PersonView): string => name || t("call.unnamed");

function OfTwo({ session, a, b }: { session: Session; a: PersonView; b: PersonView }) {
  return (
    <Choice<SameRoom>
      legend={t("lead.same_room", { a: shown(a), b: shown(b) })}
      options={ways(session.modality.value)}
      value={sameRoom(session.view.value, a.identity, b.identity)}
      busy={session.busy.value.has("rooms")}
      choose={(how) => void session.run("rooms", () => session.setSameRoom(a.identity, b.identity, how))}
    />
  );
}

function OfSeveral({ session, clients }: Props) {
  const asked = useSignal<{ room: SharedRoom | null } | null>(null);
  const known = rooms(
    session.view.value,
    clients.map(({ identity }) => identity),
  );
  const free = clients.filter(({ identity }) => !known.some(({ members }) => members.includes(identity)));
  const members = (room: SharedRoom): PersonView[] => clients.filter(({ identity }) => room.members.includes(identity));
  const close = (): void => void (asked.value = null);
  return (
    <>
      {known.map((room) => {
        const names = { names: list(members(room).map(shown)) };
        return (
          <div key={room.members.join(" ")} class="shared-room">
            <p>{t(`lead.room_${room.kept}`, names)}</p>
            {!room.whole && <p class="quiet">{t("lead.room_gap")}</p>}
            <button
              class="secondary small"
              type="button"
              aria-label={t("lead.room_change_name", names)}
              onClick={() => (asked.value = { room })}
            >
              {t("lead.room_change")}
            </button>
          </div>
        );
      })}
      {free.length > 1 && (
        <button class="secondary small" type="button" onClick={() => (asked.value = { room: null })}>
          {t("lead.rooms_say")}
        </button>
      )}
      {asked.value && (
        <RoomDialog
          session={session}
          room={asked.value.room}
          clients={clients.filter((one) => free.includes(one) || asked.value?.room?.members.includes(one.identity))}
          close={close}
        />
      )}
    </>
  );
}

/** `clients`: those of the room, if it is one that there is, and those who are in none. */
function RoomDialog({ session, room, clients, close }: Props & { room: SharedRoom | null; close: () => void }) {
  const picked = useSignal<readonly string[]>(room?.members ?? []);
  const kept = useSignal<Kept>(room?.kept ?? "audio");
  const chosen = clients.filter(({ identity }) => picked.value.includes(identity));
  const options = keptOptions(session.modality.value);

  const pick = (identity: string): void => {
    const without = picked.value.filter((other) => other !== identity);
    picked.value = without.length < picked.value.length ? without : [...picked.value, identity];
  };
  const apply = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (chosen.length === 1) return;
    const wanted = chosen.map(({ identity }) => identity);
    const said = changes(session.view.value, room?.members ?? [], wanted, kept.value);
    await session.run("rooms", () => session.setPairs(said));
    close();
  };

  return (
    <Dialog title={t("rooms.title")} close={close}>
      <form class="stack" onSubmit={(event) => void apply(event)}>
        <fieldset class="choice">
          <legend>{t("rooms.who")}</legend>
          {clients.map((person) => (
            <label key={person.identity} class="check">
              <input
                type="checkbox"
                checked={picked.value.includes(person.identity)}
                onChange={() => pick(person.identity)}
              />
              <span>{shown(person)}</span>
            </label>
          ))}
        </fieldset>
        {chosen.length > 1 && options.length > 1 && (
          <Choice<Kept>
            legend={t("rooms.between")}
            options={[
              { value: "audio", label: t("same_room.no_sound") },
              { value: "audio_and_video", label: t("same_room.no_sound_or_picture") },
            ]}
            value={kept.value}
            busy={false}
            choose={(how) => (kept.value = how)}
          />
        )}
        <p class="card" role="status">
          {said(chosen, kept.value)}
        </p>
        <div class="choices">
          <button class="secondary" type="button" onClick={close}>
            {t("rooms.not")}
          </button>
          <button class="primary" type="submit" aria-busy={session.busy.value.has("rooms")}>
            {t("rooms.apply")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function said(chosen: readonly PersonView[], kept: Kept): string {
  if (chosen.length === 0) return t("rooms.none");
  if (chosen.length === 1) return t("rooms.one");
  return t(`rooms.${kept}`, { names: list(chosen.map(shown)) });
}
