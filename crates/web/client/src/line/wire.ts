// What passes on the channel of a line test: a byte that says what it is, then numbers, most significant byte first.
// The server's half is crates/linetest/src/message.rs.

export const BEAT_SIZE = 100;
export const LOAD_SIZE = 1_100;
/** What lies around a message on its way: SCTP, DTLS, UDP and IPv4. */
export const OVERHEAD = 90;

const KINDS = ["beat", "echo", "ask", "load", "report"] as const;
type Kind = (typeof KINDS)[number];

export interface Message {
  readonly kind: Kind;
  readonly numbers: readonly number[];
}

const SIZES: Record<Kind, number> = { beat: BEAT_SIZE, echo: BEAT_SIZE, ask: 0, load: LOAD_SIZE, report: 0 };
const NUMBERS: Record<Kind, number> = { beat: 2, echo: 4, ask: 0, load: 2, report: 3 };

export function write(kind: Kind, ...numbers: number[]): ArrayBuffer {
  const buffer = new ArrayBuffer(Math.max(1 + 4 * numbers.length, SIZES[kind]));
  const view = new DataView(buffer);
  view.setUint8(0, KINDS.indexOf(kind) + 1);
  numbers.forEach((number, index) => view.setUint32(1 + 4 * index, number));
  return buffer;
}

/** `null` for what is none of ours. */
export function read(buffer: ArrayBuffer): Message | null {
  const view = new DataView(buffer);
  const kind = view.byteLength > 0 ? KINDS[view.getUint8(0) - 1] : undefined;
  if (!kind || view.byteLength < 1 + 4 * NUMBERS[kind]) return null;
  return { kind, numbers: Array.from({ length: NUMBERS[kind] }, (_, index) => view.getUint32(1 + 4 * index)) };
}

/** Microseconds of this clock, as the wire has them: they wrap. */
export const micros = (milliseconds: number): number => Math.round(milliseconds * 1000) >>> 0;

/** The difference of two such times, across a wrap as well. */
export const between = (later: number, earlier: number): number => (later - earlier) | 0;
