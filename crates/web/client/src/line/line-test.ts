// The line test as the page has it: runs once by itself or when asked for, can be given up at any moment, and leaves its
// result with the server as a hint for the therapist. Nothing waits for it.
import { signal } from "@preact/signals";
import { Problem, request } from "../api";
import type { Session } from "../session";
import { Blocked, measure } from "./course";
import { verdict, type Measured, type Verdict } from "./verdict";

const PATH = "/rtc/line-test";

const NOTHING: Measured = { down_kbps: 0, up_kbps: 0, loss_percent: 100, jitter_ms: 0, round_trip_ms: 0 };

export type LineState =
  | { readonly at: "idle" }
  | { readonly at: "running"; readonly done: number }
  /** The server has no room for a test just now. */
  | { readonly at: "unavailable" }
  | { readonly at: "known"; readonly verdict: Verdict; readonly measured: Measured };

export class LineTest {
  readonly state = signal<LineState>({ at: "idle" });
  #running: AbortController | null = null;

  constructor(readonly session: Session) {}

  async start(): Promise<void> {
    if (this.#running) return;
    const running = new AbortController();
    this.#running = running;
    this.state.value = { at: "running", done: 0 };
    const found = await this.#measure(running.signal);
    if (running.signal.aborted) return;
    this.#running = null;
    this.state.value = found;
    if (found.at === "known") this.#tell(found.verdict, found.measured);
  }

  async #measure(signal: AbortSignal): Promise<LineState> {
    const begin = async (offer: string): Promise<string> =>
      ((await request(this.session.token, "POST", PATH, { offer })) as { answer: string }).answer;
    const progress = (done: number): void => {
      if (!signal.aborted) this.state.value = { at: "running", done };
    };
    try {
      const measured = await measure({ begin, progress, signal });
      return { at: "known", verdict: verdict(measured), measured };
    } catch (error) {
      if (error instanceof Blocked) return { at: "known", verdict: "blocked", measured: NOTHING };
      return { at: "unavailable" };
    }
  }

  /** A hint that does not arrive is missed by nobody. */
  #tell(verdict: Verdict, measured: Measured): void {
    void request(this.session.token, "PUT", PATH, { verdict, ...measured }).catch(() => undefined);
  }

  /** Gives up what runs, at once; what is known stays. */
  stop(): void {
    this.#running?.abort();
    this.#running = null;
    if (this.state.value.at === "running") this.state.value = { at: "idle" };
  }
}

/** What is known of everyone's line, by identity. For therapists. */
export async function knownLines(session: Session): Promise<Readonly<Record<string, Verdict>>> {
  try {
    const { results } = (await request(session.token, "GET", "/rtc/line-tests")) as Results;
    return Object.fromEntries(Object.entries(results).map(([identity, { verdict }]) => [identity, verdict]));
  } catch (error) {
    if (error instanceof Problem) return {};
    throw error;
  }
}

interface Results {
  readonly results: Record<string, { verdict: Verdict }>;
}
