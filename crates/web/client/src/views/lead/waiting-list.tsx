// Who waits, what their line was found to carry, letting them in or not, and the message that they see meanwhile.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { knownLines } from "../../line/line-test";
import type { Verdict } from "../../line/verdict";
import type { Session } from "../../session";
import { t, tn, type TextKey } from "../../texts";
import { CommandButton } from "../command";
import { roleWord } from "../../people";

/** As long as the server takes. */
const MAX_MESSAGE = 1_000;

/** Somebody may test anew while they wait, on another tab or device. */
const ASK_AGAIN_MS = 15_000;

const LINES: Record<Verdict, TextKey> = {
  good: "lead.line_good",
  fair: "lead.line_fair",
  weak: "lead.line_weak",
  poor: "lead.line_poor",
  blocked: "lead.line_blocked",
};

/** What is known of the lines of those who wait. Asked for only while somebody does. */
function useLines(session: Session, waiting: string) {
  const lines = useSignal<Readonly<Record<string, Verdict>>>({});
  useEffect(() => {
    if (!waiting) return;
    const ask = (): void => void knownLines(session).then((known) => (lines.value = known));
    ask();
    const timer = setInterval(ask, ASK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [session, waiting]);
  return lines.value;
}

export function WaitingList({ session }: { session: Session }) {
  const waiting = session.view.value?.people?.filter(({ place }) => place === "waiting") ?? [];
  const lines = useLines(session, waiting.map(({ identity }) => identity).join(" "));
  return (
    <section class="panel-section" aria-labelledby="waiting-title">
      <h3 id="waiting-title" tabIndex={-1}>
        {t("lead.waiting")}
      </h3>
      <p class={waiting.length ? "hidden-words" : "quiet"} role="status">
        {waiting.length ? tn("lead.waiting_count", waiting.length, { count: waiting.length }) : t("lead.waiting_none")}
      </p>
      <ul class="plain">
        {waiting.map(({ identity, name, role, consented, line }) => {
          const shown = name || t("call.unnamed");
          const known = lines[identity];
          const words = [roleWord(role), line === "lost" && t("lead.line_lost"), !consented && t("lead.reading")];
          return (
            <li key={identity} class="person">
              <p class="person-name">{shown}</p>
              <p class="quiet">{words.filter(Boolean).join(" · ")}</p>
              {known && <p class="quiet">{t(LINES[known])}</p>}
              <div class="choices">
                <CommandButton
                  session={session}
                  name={`admit ${identity}`}
                  look="primary"
                  label={t("lead.admit_name", { name: shown })}
                  give={() => session.admit(identity)}
                >
                  {t("lead.admit")}
                </CommandButton>
                <CommandButton
                  session={session}
                  name={`deny ${identity}`}
                  label={t("lead.deny_name", { name: shown })}
                  give={() => session.deny(identity)}
                >
                  {t("lead.deny")}
                </CommandButton>
              </div>
            </li>
          );
        })}
      </ul>
      <Refused session={session} />
      <Message session={session} />
    </section>
  );
}

/** Whom a slip of the hand, or a change of mind, can bring back. */
function Refused({ session }: { session: Session }) {
  const refused = session.view.value?.people?.filter(({ admission }) => admission === "denied" || admission === "removed");
  if (!refused?.length) return null;
  return (
    <details class="fold">
      <summary>{t("lead.refused")}</summary>
      <ul class="plain">
        {refused.map(({ identity }) => (
          <li key={identity} class="person">
            <p class="person-name">{session.nameOf(identity)}</p>
            <div class="choices">
              <CommandButton
                session={session}
                name={`admit ${identity}`}
                label={t("lead.allow_back_name", { name: session.nameOf(identity) })}
                give={() => session.admit(identity)}
              >
                {t("lead.allow_back")}
              </CommandButton>
            </div>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Message({ session }: { session: Session }) {
  const draft = useSignal<string | null>(null);
  const shown = session.view.value?.waiting_message ?? "";
  const text = draft.value ?? shown;
  const send = async (message: string | null): Promise<void> => {
    const done = await session.run("waiting-message", async () => (await session.setWaitingMessage(message), true));
    if (done) draft.value = null;
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    void send(text.trim() || null);
  };
  return (
    <details class="fold">
      <summary>{t(shown ? "lead.message_shown" : "lead.message_open")}</summary>
      <form class="stack-small" onSubmit={submit}>
        <label class="field">
          <span>{t("lead.message")}</span>
          <textarea
            rows={3}
            maxLength={MAX_MESSAGE}
            value={text}
            onInput={(event) => (draft.value = event.currentTarget.value)}
          />
        </label>
        <div class="choices">
          <button class="primary small" type="submit" aria-busy={session.busy.value.has("waiting-message")}>
            {t("lead.message_show")}
          </button>
          {shown && (
            <button class="secondary small" type="button" onClick={() => void send(null)}>
              {t("lead.message_remove")}
            </button>
          )}
        </div>
      </form>
    </details>
  );
}
