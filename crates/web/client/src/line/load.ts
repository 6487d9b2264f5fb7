// Both ends of a load. Pure: time comes in. The same numbers and reasons as in crates/linetest/src/{load,arrivals}.rs.
import { between, LOAD_SIZE, OVERHEAD } from "./wire";

/** In kbit/s, with what lies around messages. */
const STEPS = [300, 600, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000, 4_500] as const;
const STEP_MS = 160;
export const LONGEST_MS = 2_000;
const HOLD_MS = 80;
const YIELD_MS = 200;
const SLOWEST = 200;
/** From the first sign that the line is full. */
const ENOUGH_MS = 700;
const MAX_WAITING = 128 * 1024;
const CATCH_UP_MS = 20;
const WINDOW_MS = 300;
const QUEUE_OF_LAST = 4;

export interface Report {
  readonly kbps: number;
  readonly queueMs: number;
  readonly count: number;
}

/** The sending end: rises by steps for as long as no queue stands. */
export class Load {
  #step = 0;
  #stepEnds: number;
  #next: number;
  #fullSince: number | null = null;
  #ceiling = Infinity;
  sent = 0;

  constructor(readonly started: number) {
    this.#stepEnds = started + STEP_MS;
    this.#next = started;
  }

  isOver(now: number): boolean {
    return now >= this.started + LONGEST_MS || (this.#fullSince !== null && now >= this.#fullSince + ENOUGH_MS);
  }

  /** The number of the next packet, if one is due. `waiting`: bytes that our own buffers hold. */
  poll(now: number, waiting: number): number | null {
    if (now < this.#next || this.isOver(now) || waiting > MAX_WAITING) return null;
    if (now >= this.#stepEnds && this.#fullSince === null && this.#step + 1 < STEPS.length) {
      this.#step += 1;
      this.#stepEnds = now + STEP_MS;
    }
    const step = STEPS[this.#step] ?? SLOWEST;
    const rate = Math.max(SLOWEST, Math.min(step, this.#ceiling));
    this.#next = Math.max(this.#next, now - CATCH_UP_MS) + ((LOAD_SIZE + OVERHEAD) * 8) / rate;
    return this.sent++;
  }

  heard({ kbps, queueMs }: Report, now: number): void {
    if (queueMs >= HOLD_MS) this.#fullSince ??= now;
    if (this.#fullSince === null) return;
    this.#ceiling = queueMs >= YIELD_MS ? kbps / 2 : queueMs >= HOLD_MS ? kbps * 0.9 : kbps;
  }
}

/** The receiving end: the best rate of any window, and the queue of the newest packets. */
export class Arrivals {
  #window: { at: number; size: number }[] = [];
  #last: number[] = [];
  #fastest = Infinity;
  #best = 0;
  count = 0;

  /** `sent` in the sender's microseconds, `received` in ours. */
  take(size: number, sent: number, received: number, now: number): void {
    this.count += 1;
    const way = between(received, sent);
    this.#fastest = Math.min(this.#fastest, way);
    this.#last = [...this.#last, way].slice(-QUEUE_OF_LAST);
    this.#window.push({ at: now, size: size + OVERHEAD });
    while ((this.#window[1]?.at ?? now) <= now - WINDOW_MS) this.#window.shift();
    const first = this.#window[0]?.at ?? now;
    if (now - first < WINDOW_MS) return;
    // The first packet's bytes are of the time before.
    const bytes = this.#window.slice(1).reduce((sum, one) => sum + one.size, 0);
    this.#best = Math.max(this.#best, (bytes * 8) / (now - first));
  }

  report(): Report {
    const queue = this.count ? Math.min(...this.#last) - this.#fastest : 0;
    return { kbps: Math.floor(this.#best), queueMs: Math.floor(queue / 1000), count: this.count };
  }
}
