// Everyone inside but me: where they are in words, and what can be done for each.
import { useSignal } from "@preact/signals";
import type { Call } from "../../call";
import { roleWord } from "../../people";
import { isInside } from "../../standing";
import { t } from "../../texts";
import { checkInOf, type PersonView, type SessionView } from "../../view";
import { CommandButton } from "../command";
import { Dialog } from "../dialog";
import { Icon } from "../icons";
import { CheckInWithSeveral } from "./check-in";

export function People({ call }: { call: Call }) {
  const removing = useSignal<PersonView | null>(null);
  const { session } = call;
  const view = session.view.value;
  if (!view?.people) return null;
  const others = view.people.filter((person) => person.identity !== session.identity && isInside(person));
  const held = others.filter((person) => person.held);
  return (
    <section class="panel-section" aria-labelledby="people-title">
      <h3 id="people-title" tabIndex={-1}>
        {t("lead.people")}
      </h3>
      {others.length === 0 && <p class="quiet">{t("lead.people_none")}</p>}
      <ul class="plain">
        {others.map((person) => (
          <Card key={person.identity} call={call} view={view} person={person} remove={() => (removing.value = person)} />
        ))}
      </ul>
      <CheckInWithSeveral session={session} />
      {held.length > 1 && (
        <CommandButton session={session} name="resume-all" look="primary" give={() => session.resumeAll()}>
          {t("lead.resume_all")}
        </CommandButton>
      )}
      {removing.value && <RemoveDialog call={call} person={removing.value} close={() => (removing.value = null)} />}
    </section>
  );
}

interface CardProps {
  call: Call;
  view: SessionView;
  person: PersonView;
  remove: () => void;
}

function Card({ call, view, person, remove }: CardProps) {
  const name = person.name || t("call.unnamed");
  return (
    <li class="person" data-place={person.place}>
      <p class="person-name">
        {name} <span class="person-role">{roleWord(person.role)}</span>
      </p>
      <p class="person-place">{placeWords(view, person)}</p>
      {person.role !== "therapist" && <Actions call={call} view={view} person={person} name={name} remove={remove} />}
    </li>
  );
}

function placeWords(view: SessionView, person: PersonView): string {
  const words: string[] = [];
  if (person.line === "lost") words.push(t("lead.line_lost"));
  if (person.place === "hold") words.push(t(person.held ? "lead.place_held" : "lead.place_alone"));
  else if (person.place === view.me.place && person.check_in === (checkInOf(view, view.me.identity)?.id ?? null)) {
    words.push(t("lead.place_with_you"));
  } else words.push(t(person.place === "check_in" ? "lead.place_check_in" : "lead.place_main"));
  return words.join(" · ");
}

function Actions({ call, view, person, name, remove }: CardProps & { name: string }) {
  const { session } = call;
  const { identity } = person;
  const mine = checkInOf(view, session.identity);
  const canCheckIn = !checkInOf(view, identity) && !mine;
  // Whom my own seal keeps out comes back with it, by one button for all.
  const isSealedOut = mine !== null && person.place === "hold" && !person.held;
  const media = call.others.value.find((other) => other.identity === identity);
  return (
    <>
      <div class="choices">
        {canCheckIn && (
          <CommandButton
            session={session}
            name={`check-in ${identity}`}
            label={t("lead.check_in_name", { name })}
            give={() => session.startCheckIn([identity])}
          >
            <Icon name="seal" />
            {t("lead.check_in")}
          </CommandButton>
        )}
        {isSealedOut ? null : person.place === "hold" ? (
          <CommandButton
            session={session}
            name={`resume ${identity}`}
            look="primary"
            label={t("lead.resume_name", { name })}
            give={() => session.resume(identity)}
          >
            <Icon name="play" />
            {t("lead.resume")}
          </CommandButton>
        ) : (
          <CommandButton
            session={session}
            name={`hold ${identity}`}
            label={t("lead.hold_name", { name })}
            give={() => session.hold(identity)}
          >
            <Icon name="pause" />
            {t("lead.hold")}
          </CommandButton>
        )}
      </div>
      <details class="fold">
        <summary aria-label={t("lead.more_name", { name })}>{t("lead.more")}</summary>
        <div class="choices">
          {media?.microphone && (
            <CommandButton
              session={session}
              name={`mute audio ${identity}`}
              label={t("lead.mute_audio_name", { name })}
              give={() => session.mute(identity, "audio")}
            >
              {t("lead.mute_audio")}
            </CommandButton>
          )}
          {media?.camera && (
            <CommandButton
              session={session}
              name={`mute video ${identity}`}
              label={t("lead.mute_video_name", { name })}
              give={() => session.mute(identity, "video")}
            >
              {t("lead.mute_video")}
            </CommandButton>
          )}
          <CommandButton
            session={session}
            name={`return ${identity}`}
            label={t("lead.to_waiting_name", { name })}
            give={() => session.returnToWaiting(identity)}
          >
            {t("lead.to_waiting")}
          </CommandButton>
          <button
            class="secondary small"
            type="button"
            aria-label={t("lead.remove_name", { name })}
            onClick={remove}
          >
            {t("lead.remove")}
          </button>
        </div>
      </details>
    </>
  );
}

function RemoveDialog({ call, person, close }: { call: Call; person: PersonView; close: () => void }) {
  const { session } = call;
  const name = person.name || t("call.unnamed");
  const remove = async (): Promise<void> => {
    await session.run(`remove ${person.identity}`, () => session.remove(person.identity));
    close();
  };
  return (
    <Dialog title={t("lead.remove_title", { name })} close={close}>
      <p>{t("lead.remove_text")}</p>
      <div class="choices">
        <button class="secondary" type="button" onClick={close}>
          {t("lead.remove_not")}
        </button>
        <button class="danger" type="button" onClick={() => void remove()}>
          {t("lead.remove_name", { name })}
        </button>
      </div>
    </Dialog>
  );
}
