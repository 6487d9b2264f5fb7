// The conversation of a session held in text: what was said, read out as it comes, and a place to write.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Call } from "../call";
import { MAX_TEXT } from "../chat";
import { identities, stillThere, unmeant, type Readers } from "../readers";
import { list, t, tn } from "../texts";
import { clockTime } from "./planned";

export function ChatView({ call }: { call: Call }) {
  const { chat } = call;
  const end = useRef<HTMLDivElement>(null);
  const lines = chat.lines.value;
  useEffect(() => end.current?.scrollIntoView({ block: "end" }), [lines]);
  return (
    <div class="chat">
      <div class="chat-lines" role="log" aria-label={t("chat.lines")} tabIndex={0}>
        {lines.length === 0 && <p class="quiet">{t("chat.empty")}</p>}
        {lines.map(({ number, mine, name, text, atMs }) => (
          <div key={number} class="chat-line" data-mine={mine}>
            <p class="chat-who">
              {mine ? t("call.you") : name || t("call.unnamed")} <span class="quiet">{clockTime(atMs)}</span>
            </p>
            <p class="chat-text">{text}</p>
          </div>
        ))}
        <div ref={end} />
      </div>
      <Write call={call} />
    </div>
  );
}

function Write({ call }: { call: Call }) {
  const text = useSignal("");
  const busy = useSignal(false);
  /** Who was there all the while it was written; nobody else reads it unasked. */
  const meant = useSignal<Readers | null>(null);
  const asking = useSignal(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const others = call.others.value;
  const newcomers = unmeant(meant.value, others);

  // Whoever goes while something stands in the field, and comes back, is asked about.
  useEffect(() => void (meant.value = meant.value && stillThere(meant.value, others)), [others]);

  const send = async (readers: readonly string[]): Promise<void> => {
    const written = text.value.trim();
    if (!written || busy.value) return;
    asking.value = false;
    busy.value = true;
    // What could not be sent stays in the field.
    if (await call.write(written, readers)) {
      text.value = "";
      meant.value = null;
    }
    busy.value = false;
  };
  const submit = (): void => {
    if (newcomers.length && text.value.trim()) asking.value = true;
    else void send(identities(others));
  };
  // The question goes, and with it the button that was pressed: one is back where one writes.
  const answer = (act: () => void): void => {
    act();
    field.current?.focus();
  };
  return (
    <form
      class="chat-write"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {asking.value && newcomers.length > 0 && (
        <div class="chat-asks">
          <p role="alert">{tn("chat.asks", newcomers.length, { names: list(newcomers.map(({ name }) => name)) })}</p>
          <button class="secondary" type="button" onClick={() => answer(() => void send(identities(others)))}>
            {t("chat.send_to_all")}
          </button>
          <button class="secondary" type="button" onClick={() => answer(() => (asking.value = false))}>
            {t("chat.not_yet")}
          </button>
        </div>
      )}
      <label class="hidden-words" for="chat-text">
        {t("chat.write")}
      </label>
      <textarea
        ref={field}
        id="chat-text"
        rows={2}
        maxLength={MAX_TEXT}
        placeholder={t("chat.write")}
        value={text}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          meant.value = text.value.trim() ? (meant.value ?? new Set(identities(others))) : null;
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          submit();
        }}
      />
      <button class="primary" type="submit" aria-busy={busy}>
        {t("chat.send")}
      </button>
    </form>
  );
}
