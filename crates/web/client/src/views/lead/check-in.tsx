// A private conversation with several: who is to be in it, and in words what it will be like before it is begun. With one
// person it begins at their name, with one press.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { roleWord } from "../../people";
import type { Session } from "../../session";
import { canBeCheckedIn, foreseen, isInside } from "../../standing";
import { t } from "../../texts";
import { checkInOf, type PersonView } from "../../view";
import { Dialog } from "../dialog";
import { Icon } from "../icons";

/** With two others, several are everybody, and nobody would be left out. */
const ENOUGH = 3;

export function CheckInWithSeveral({ session }: { session: Session }) {
  const isOpen = useSignal(false);
  const view = session.view.value;
  const isSealed = checkInOf(view, session.identity) !== null;
  // Begun by somebody else meanwhile, it must not be asked for again afterwards.
  useEffect(() => {
    if (isSealed) isOpen.value = false;
  }, [isSealed]);
  if (!view || isSealed) return null;
  const inside = view.people?.filter((person) => person.identity !== session.identity && isInside(person)) ?? [];
  const people = canBeCheckedIn(view);
  if (!isOpen.value && (inside.length < ENOUGH || people.length < 2)) return null;
  return (
    <>
      <button class="secondary small" type="button" onClick={() => (isOpen.value = true)}>
        <Icon name="seal" />
        {t("lead.check_in_several")}
      </button>
      {isOpen.value && <CheckInDialog session={session} people={people} close={() => (isOpen.value = false)} />}
    </>
  );
}

interface Props {
  session: Session;
  people: readonly PersonView[];
  close: () => void;
}

/** Whoever leaves meanwhile is not asked for any more. */
function CheckInDialog({ session, people, close }: Props) {
  const picked = useSignal<ReadonlySet<string>>(new Set());
  const first = useRef<HTMLInputElement>(null);
  const view = session.view.value;
  if (!view) return null;
  const chosen = people.filter(({ identity }) => picked.value.has(identity));

  const pick = (identity: string, isIn: boolean): void => {
    const others = [...picked.value].filter((other) => other !== identity);
    picked.value = new Set(isIn ? [...others, identity] : others);
  };
  const begin = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (chosen.length === 0) return first.current?.focus();
    await session.run("check-in", () => session.startCheckIn(chosen.map(({ identity }) => identity)));
    close();
  };

  return (
    <Dialog title={t("check_in.title")} close={close}>
      <form class="stack" onSubmit={(event) => void begin(event)}>
        <fieldset class="choice">
          <legend>{t("check_in.with")}</legend>
          {people.map(({ identity, name, role, place }, index) => (
            <label key={identity} class="check">
              <input
                ref={index === 0 ? first : undefined}
                type="checkbox"
                checked={picked.value.has(identity)}
                onChange={(event) => pick(identity, event.currentTarget.checked)}
              />
              <span>
                {name || t("call.unnamed")}{" "}
                <span class="quiet">
                  {[roleWord(role), place === "hold" && t("lead.on_hold")].filter(Boolean).join(" · ")}
                </span>
              </span>
            </label>
          ))}
        </fieldset>
        <div class="card stack-small" role="status">
          {foreseen(view, chosen).map((sentence) => (
            <p key={sentence}>{sentence}</p>
          ))}
        </div>
        <div class="choices">
          <button class="secondary" type="button" onClick={close}>
            {t("check_in.not")}
          </button>
          <button class="primary" type="submit" aria-busy={session.busy.value.has("check-in")}>
            {t("check_in.begin")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
