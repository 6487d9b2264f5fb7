// The test itself: a connection of its own to the server's media port, with one channel that repeats nothing. First
// beats on a quiet line, then a load from the server, then one of ours; never both at once. About six seconds.
import { Beats } from "./beats";
import { Arrivals, Load, LONGEST_MS } from "./load";
import type { Measured } from "./verdict";
import { micros, read, write, type Message } from "./wire";

/** ICE, DTLS and SCTP take six round trips; on a line that needs longer no call comes about either. */
const CONNECT_MS = 5_000;
const BEATS = 150;
const BEAT_MS = 10;
/** For the last echoes and reports. */
const LINGER_MS = 300;
const ASK_MS = 100;
const REPORT_MS = 50;
/** Timers of a page are no finer. */
const TICK_MS = 4;

/** The server was reached by its web port, and not by the one of media. */
export class Blocked extends Error {}

export interface Course {
  /** Brings our offer to the server; resolves with its answer. */
  readonly begin: (offer: string) => Promise<string>;
  /** From 0 to 1. */
  readonly progress: (done: number) => void;
  readonly signal: AbortSignal;
}

export async function measure({ begin, progress, signal }: Course): Promise<Measured> {
  const connection = new RTCPeerConnection({ iceServers: [] });
  try {
    const channel = connection.createDataChannel("line-test", { ordered: false, maxRetransmits: 0 });
    channel.binaryType = "arraybuffer";
    await connection.setLocalDescription();
    const answer = await begin(connection.localDescription?.sdp ?? "");
    signal.throwIfAborted();
    await connection.setRemoteDescription({ type: "answer", sdp: answer });
    await opened(channel, signal);
    progress(0.1);
    const beats = await quiet(channel, signal);
    progress(0.35);
    const down = await load(channel, signal);
    progress(0.7);
    const up = await ownLoad(channel, signal);
    progress(1);
    return { down_kbps: down, up_kbps: up, ...beats.quality() };
  } finally {
    connection.close();
  }
}

function opened(channel: RTCDataChannel, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const given = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
    given.addEventListener("abort", () => reject(signal.aborted ? signal.reason : new Blocked("no way for media")));
    channel.addEventListener("open", () => resolve(), { once: true });
  });
}

/** Calls `act` every `every` ms until it says that it is done, or the test is given up. */
function repeat(every: number, signal: AbortSignal, act: (now: number) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      if (!signal.aborted && !act(performance.now())) return;
      clearInterval(timer);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve();
    }, every);
  });
}

/** What arrives goes to `take` until the returned function is called. */
function listen(channel: RTCDataChannel, take: (message: Message, size: number, now: number) => void): () => void {
  const listener = ({ data }: MessageEvent<ArrayBuffer>): void => {
    const message = read(data);
    if (message) take(message, data.byteLength, performance.now());
  };
  channel.addEventListener("message", listener);
  return () => channel.removeEventListener("message", listener);
}

/** A channel that closed says so by what is missing at the end. */
function send(channel: RTCDataChannel, message: ArrayBuffer): void {
  if (channel.readyState === "open") channel.send(message);
}

async function quiet(channel: RTCDataChannel, signal: AbortSignal): Promise<Beats> {
  const beats = new Beats();
  const stop = listen(channel, ({ kind, numbers: [number = 0, sent = 0, arrived = 0, count = 0] }, _, now) => {
    if (kind === "echo") beats.heard(number, sent, arrived, count, micros(now));
  });
  const started = performance.now();
  await repeat(TICK_MS, signal, (now) => {
    // A page that was held up makes up for it.
    const due = Math.min(BEATS, Math.floor((now - started) / BEAT_MS));
    while (beats.sent < due) send(channel, write("beat", beats.sent++, micros(performance.now())));
    return now >= started + BEATS * BEAT_MS + LINGER_MS || beats.came >= BEATS;
  });
  stop();
  // As good as nothing comes back: what opened the channel was luck.
  if (beats.came < BEATS / 10) throw new Blocked("no echoes");
  return beats;
}

async function load(channel: RTCDataChannel, signal: AbortSignal): Promise<number> {
  const arrivals = new Arrivals();
  let newest = 0;
  const stop = listen(channel, ({ kind, numbers: [, sent = 0] }, size, now) => {
    if (kind !== "load") return;
    newest = now;
    arrivals.take(size, sent, micros(now), now);
  });
  const started = performance.now();
  let asked = -Infinity;
  await repeat(REPORT_MS, signal, (now) => {
    if (arrivals.count === 0 && now - asked >= ASK_MS) send(channel, write("ask"));
    if (arrivals.count === 0) asked = now;
    const { kbps, queueMs, count } = arrivals.report();
    if (count > 0) send(channel, write("report", kbps, queueMs, count));
    const isOver = count > 0 && now - newest > LINGER_MS;
    return isOver || now >= started + LONGEST_MS + 2 * LINGER_MS;
  });
  stop();
  return arrivals.report().kbps;
}

async function ownLoad(channel: RTCDataChannel, signal: AbortSignal): Promise<number> {
  const own = new Load(performance.now());
  let best = 0;
  const stop = listen(channel, ({ kind, numbers: [kbps = 0, queueMs = 0, count = 0] }, _, now) => {
    if (kind !== "report") return;
    best = Math.max(best, kbps);
    own.heard({ kbps, queueMs, count }, now);
  });
  let ended: number | null = null;
  await repeat(TICK_MS, signal, (now) => {
    for (let number = own.poll(now, channel.bufferedAmount); number !== null; number = own.poll(now, channel.bufferedAmount)) {
      send(channel, write("load", number, micros(performance.now())));
    }
    if (own.isOver(now)) ended ??= now;
    return ended !== null && now >= ended + LINGER_MS;
  });
  stop();
  return best;
}
