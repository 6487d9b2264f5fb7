// What small, regular packets tell of a quiet line: loss each way, jitter, round trip. Pure.
import { between } from "./wire";

interface Echo {
  readonly number: number;
  /** Microseconds: when it was sent and came back by our clock, when it arrived by the server's. */
  readonly sent: number;
  readonly arrived: number;
  readonly back: number;
}

const mean = (numbers: readonly number[]): number =>
  numbers.length ? numbers.reduce((sum, one) => sum + one, 0) / numbers.length : 0;

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)] ?? 0;

/** Mean difference between neighbours. */
const unrest = (ways: readonly number[]): number => mean(ways.slice(1).map((way, index) => Math.abs(way - (ways[index] ?? way))));

export class Beats {
  readonly #echoes: Echo[] = [];
  /** How many arrived at the server, as far as it could tell us. */
  #arrived = 0;
  sent = 0;

  heard(number: number, sent: number, arrived: number, count: number, back: number): void {
    this.#arrived = Math.max(this.#arrived, count);
    this.#echoes.push({ number, sent, arrived, back });
  }

  get came(): number {
    return this.#echoes.length;
  }

  /** The worse of both directions, where they differ. */
  quality(): { loss_percent: number; jitter_ms: number; round_trip_ms: number } {
    const up = this.sent ? 1 - this.#arrived / this.sent : 0;
    const down = this.#arrived ? 1 - this.#echoes.length / this.#arrived : 1;
    const inOrder = [...this.#echoes].sort((a, b) => a.number - b.number);
    const jitter = Math.max(
      unrest(inOrder.map(({ sent, arrived }) => between(arrived, sent))),
      unrest(inOrder.map(({ arrived, back }) => between(back, arrived))),
    );
    return {
      loss_percent: Math.min(100, Math.max(0, Math.round(100 * Math.max(up, down)))),
      jitter_ms: Math.round(jitter / 1000),
      round_trip_ms: Math.round(median(this.#echoes.map(({ sent, back }) => between(back, sent))) / 1000),
    };
  }
}
