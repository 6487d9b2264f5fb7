// Private to those who lead: who asks for a pause, and who left by the quick exit. Others see nothing of either.
import { signal } from "@preact/signals";
import type { Call } from "../../call";
import type { Session } from "../../session";
import { t } from "../../texts";
import type { Moment } from "../../view";
import { Icon } from "../icons";
import { clockTime } from "../planned";

interface Note {
  readonly key: string;
  readonly kind: "signal" | "exit";
  readonly name: string;
  readonly atMs: number;
}

/** Newest first. */
function notesOf(session: Session): Note[] {
  const view = session.view.value;
  const notes = (kind: Note["kind"], moments: readonly Moment[] = []): Note[] =>
    moments.map(({ identity, at_ms }) => ({
      key: `${kind} ${identity} ${at_ms}`,
      kind,
      name: session.nameOf(identity),
      atMs: at_ms,
    }));
  return [...notes("signal", view?.signals), ...notes("exit", view?.quick_exits)].sort((a, b) => b.atMs - a.atMs);
}

const sentence = ({ kind, name }: Note): string => t(kind === "signal" ? "lead.signal" : "lead.quick_exit", { name });

/** Noted ones are hidden for this therapist on this page. */
const noted = signal<ReadonlySet<string>>(new Set());

function unnoted(session: Session): Note[] {
  return notesOf(session).filter(({ key }) => !noted.value.has(key));
}

function NotedButton({ note }: { note: Note }) {
  return (
    <button
      class="secondary small"
      type="button"
      aria-label={t("lead.noted_name", { name: note.name })}
      onClick={() => (noted.value = new Set([...noted.value, note.key]))}
    >
      {t("lead.noted")}
    </button>
  );
}

/** Whoever sees my screen would read them with me. */
const isShared = (call: Call): boolean => call.self.value?.screen != null;

export function PrivateNotes({ call }: { call: Call }) {
  const notes = unnoted(call.session);
  if (notes.length === 0) return null;
  if (isShared(call)) {
    return (
      <section class="panel-section private">
        <p>{t("lead.private_shared")}</p>
      </section>
    );
  }
  return (
    <section class="panel-section private" aria-labelledby="private-title">
      <h3 id="private-title" tabIndex={-1}>
        {t("lead.private")}
      </h3>
      <p class="quiet">{t("lead.private_hint")}</p>
      <ul class="plain">
        {notes.map((note) => (
          <li key={note.key} class="note">
            <Icon name={note.kind === "signal" ? "hand" : "exit"} />
            <p>
              {sentence(note)} <span class="quiet">{clockTime(note.atMs)}</span>
            </p>
            <NotedButton note={note} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The newest: read out at once wherever one is, and shown above the pictures while the panel is closed. */
export function NewestNote({ call, shown }: { call: Call; shown: boolean }) {
  const newest = unnoted(call.session)[0];
  if (newest && shown && isShared(call)) return <p class="banner banner-warn">{t("lead.private_shared")}</p>;
  return (
    <>
      <div class="hidden-words" role="alert">
        {newest && sentence(newest)}
      </div>
      {newest && shown && (
        <div class="banner banner-warn">
          <p aria-hidden="true">
            {sentence(newest)} {t("lead.private")}.
          </p>
          <NotedButton note={newest} />
        </div>
      )}
    </>
  );
}
