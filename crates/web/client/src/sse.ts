// Server-sent events out of a fetch body (HTML standard, 9.2.6): pieces of text in, whole events out, with lines
// that end as our server ends them (LF). The browser's own EventSource cannot send a token in a header.

export interface ServerEvent {
  readonly name: string;
  readonly data: string;
}

/** One event is a whole view; nothing of ours comes near this. */
const MAX_EVENT_CHARACTERS = 262_144;

export class EventParser {
  #rest = "";

  /** Whole events that end in this piece. Comments (heartbeats) are dropped. */
  push(piece: string): ServerEvent[] {
    const blocks = (this.#rest + piece).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    if (this.#rest.length > MAX_EVENT_CHARACTERS) throw new Error("event too long");
    return blocks.map(parse).filter((event) => event !== null);
  }
}

function parse(block: string): ServerEvent | null {
  let name = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [field, value] = split(line);
    if (field === "event") name = value;
    if (field === "data") data.push(value);
  }
  return data.length ? { name, data: data.join("\n") } : null;
}

function split(line: string): [string, string] {
  const colon = line.indexOf(":");
  if (colon < 0) return [line, ""];
  const value = line.slice(colon + 1);
  return [line.slice(0, colon), value.startsWith(" ") ? value.slice(1) : value];
}

/** Calls `take` with each event until the body ends. Rejects when nothing, not even a heartbeat, came for `silence`. */
export async function readEvents(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  silence: number,
  take: (event: ServerEvent) => void,
): Promise<void> {
  const parser = new EventParser();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await within(reader.read(), silence).catch((error: unknown) => {
      void reader.cancel().catch(() => undefined);
      throw error;
    });
    if (done) return;
    for (const event of parser.push(value)) take(event);
  }
}

function within<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("silence")), milliseconds);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
