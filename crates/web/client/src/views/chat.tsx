// The conversation of a session held in text: what was said, read out as it comes, and a place to write.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Call } from "../call";
import { MAX_TEXT } from "../chat";
import { t } from "../texts";
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
  const send = async (): Promise<void> => {
    const written = text.value.trim();
    if (!written || busy.value) return;
    busy.value = true;
    // What could not be sent stays in the field.
    if (await call.write(written)) text.value = "";
    busy.value = false;
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    void send();
  };
  return (
    <form class="chat-write" onSubmit={submit}>
      <label class="hidden-words" for="chat-text">
        {t("chat.write")}
      </label>
      <textarea
        id="chat-text"
        rows={2}
        maxLength={MAX_TEXT}
        placeholder={t("chat.write")}
        value={text}
        onInput={(event) => (text.value = event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          void send();
        }}
      />
      <button class="primary" type="submit" aria-busy={busy}>
        {t("chat.send")}
      </button>
    </form>
  );
}
