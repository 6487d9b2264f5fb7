// My end of the session's control plane: the view as the server streams it, and the commands I may give. What is so
// comes from the stream only; a command's answer says whether it was carried out, and the stream shows it.
import { computed, signal } from "@preact/signals";
import * as api from "./api";
import { Problem } from "./api";
import { problemText } from "./problems";
import { readEvents } from "./sse";
import { t } from "./texts";
import type { CheckIn, FloorMode, Pair, SameRoom, SessionView } from "./view";

/** The server says something every 15 s; twice that and a little is a dead line. */
const SILENCE_MS = 35_000;
const RETRY_MS = [300, 1_000, 2_000, 5_000, 10_000] as const;
/** Answers after which asking again is of no use. */
const isFinal = ({ status, kind }: Problem): boolean =>
  status === 401 || status === 403 || status === 404 || kind === "session-ended";

/** `absent`: the server has no view of this session, as of one that only media clients know. */
export type Freshness = "opening" | "live" | "stale" | "absent";

export interface Receipt {
  readonly id: number;
  readonly at_ms: number;
}

/** A way to my own seat for another device, to scan and to type. */
export interface HandOverTicket {
  readonly ticket: string;
  readonly code: string;
  readonly expires_at_ms: number;
}

export class Session {
  readonly view = signal<SessionView | null>(null);
  readonly freshness = signal<Freshness>("opening");
  /** Commands on their way, by the name of their button. */
  readonly busy = signal<ReadonlySet<string>>(new Set());
  /** The newest refusal in words. The number makes equal texts distinct. */
  readonly problem = signal<{ id: number; text: string }>({ id: 0, text: "" });
  readonly receipt = signal<Receipt | null>(null);

  readonly place = computed(() => this.view.value?.me.place ?? null);
  readonly modality = computed(() => this.view.value?.session.modality ?? "video");
  readonly role = computed(() => this.view.value?.me.role ?? null);

  /** Names as they were last told: who is gone is still spoken of by name. */
  readonly #names = new Map<string, string>();

  /** Milliseconds that the server's clock is ahead of ours. */
  skew = 0;

  readonly #renewed: (token: string) => void;
  readonly #path: string;
  #token: string;
  /** The text this person accepted on this page. It can be told only once they have a seat. */
  #accepted: { id: string; sha256: string } | null = null;
  #over = new AbortController();

  constructor(
    readonly id: string,
    readonly identity: string,
    token: string,
    renewed: (token: string) => void,
  ) {
    this.#renewed = renewed;
    this.#path = `/v1/sessions/${encodeURIComponent(id)}`;
    this.#token = token;
  }

  /** A newer token for the same seat, as the media connection got it. */
  renew(token: string): void {
    this.#token = token;
    this.#renewed(token);
  }

  nameOf(identity: string): string {
    return this.#names.get(identity) || t("call.unnamed");
  }

  get token(): string {
    return this.#token;
  }

  get path(): string {
    return this.#path;
  }

  /** Resolves with the first view, or rejects with the reason why there is none. The stream goes on after that. */
  open(): Promise<SessionView> {
    return new Promise((resolve, reject) => void this.#follow(resolve, reject));
  }

  close(): void {
    this.#over.abort();
  }

  async #follow(first: (view: SessionView) => void, failed: (problem: Problem) => void): Promise<void> {
    let attempts = 0;
    while (!this.#over.signal.aborted && this.view.value?.session.phase !== "ended") {
      try {
        await this.#read((view) => {
          attempts = 0;
          first(view);
        });
      } catch (error) {
        const problem = error instanceof Problem ? error : new Problem(0, "broken");
        if (!this.view.value || isFinal(problem)) {
          this.freshness.value = this.view.value ? "stale" : "absent";
          return failed(problem);
        }
      }
      if (this.view.value) this.freshness.value = "stale";
      await pause(RETRY_MS[Math.min(attempts, RETRY_MS.length - 1)] ?? 0, this.#over.signal);
      attempts += 1;
    }
  }

  async #read(seen: (view: SessionView) => void): Promise<void> {
    const { body, date } = await api.open(this.#token, `${this.#path}/view/stream`, this.#over.signal);
    if (Number.isFinite(date)) this.skew = date - Date.now();
    await readEvents(body, SILENCE_MS, ({ name, data }) => {
      if (name !== "view") return;
      const view = JSON.parse(data) as SessionView;
      for (const { identity, name } of view.people ?? []) if (name) this.#names.set(identity, name);
      this.view.value = view;
      this.freshness.value = "live";
      this.#settleConsent(view);
      seen(view);
    });
  }

  /** The text that this person has yet to read, if there is one. */
  readonly unread = computed(() => {
    const view = this.view.value;
    const mustRead = view?.me.role === "client" || view?.me.role === "guest";
    return mustRead && view.consent && !view.consent.accepted && !this.#isAccepted(view.consent) ? view.consent : null;
  });

  readonly #acceptances = signal(0);

  #isAccepted({ id, sha256 }: { id: string; sha256: string }): boolean {
    return this.#acceptances.value > 0 && this.#accepted?.id === id && this.#accepted.sha256 === sha256;
  }

  /** From here on this text counts as read; the server is told as soon as it can take it. */
  accept({ id, sha256 }: { id: string; sha256: string }): void {
    this.#accepted = { id, sha256 };
    this.#acceptances.value += 1;
    if (this.view.value) this.#settleConsent(this.view.value);
  }

  #settleConsent({ consent, me }: SessionView): void {
    if (!consent || consent.accepted || !this.#isAccepted(consent) || me.place === "outside") return;
    void this.run("consent", () => this.#post("/consents", { id: consent.id, sha256: consent.sha256 }));
  }

  /** Carries out one command at a time per name. A refusal is told in words and answered with `null`. */
  async run<T>(name: string, command: () => Promise<T>): Promise<T | null> {
    if (this.busy.value.has(name)) return null;
    this.busy.value = new Set([...this.busy.value, name]);
    try {
      return await command();
    } catch (error) {
      this.tell(problemText(error));
      return null;
    } finally {
      this.busy.value = new Set([...this.busy.value].filter((other) => other !== name));
    }
  }

  tell(text: string): void {
    this.problem.value = { id: this.problem.value.id + 1, text };
  }

  #post(path: string, body?: unknown): Promise<unknown> {
    return api.request(this.#token, "POST", `${this.#path}${path}`, body);
  }

  #put(path: string, body: unknown): Promise<unknown> {
    return api.request(this.#token, "PUT", `${this.#path}${path}`, body);
  }

  #toPerson(identity: string, verb: string, body?: unknown): Promise<unknown> {
    return this.#post(`/participants/${encodeURIComponent(identity)}/${verb}`, body);
  }

  // Of a therapist.
  readonly admit = (identity: string) => this.#toPerson(identity, "admit");
  readonly deny = (identity: string) => this.#toPerson(identity, "deny");
  readonly returnToWaiting = (identity: string) => this.#toPerson(identity, "return-to-waiting");
  readonly hold = (identity: string) => this.#toPerson(identity, "hold");
  readonly resume = (identity: string) => this.#toPerson(identity, "resume");
  readonly resumeAll = () => this.#post("/resume-all");
  readonly remove = (identity: string) => this.#toPerson(identity, "remove");
  readonly mute = (identity: string, target: "audio" | "video") => this.#toPerson(identity, "mute", { target });
  readonly setWaitingMessage = (text: string | null) => this.#put("/waiting-message", { text });
  readonly setFloor = (mode: FloorMode, identity?: string) =>
    this.#put("/floor", identity === undefined ? { mode } : { mode, identity });
  readonly setLock = (locked: boolean) => this.#put("/lock", { locked });
  readonly extend = (untilMs: number) => this.#post("/extend", { until_ms: untilMs });
  readonly end = () => this.#post("/end");

  async startCheckIn(participants: readonly string[]): Promise<void> {
    this.receipt.value = (await this.#post("/check-ins", { participants })) as Receipt;
  }

  async endCheckIn(checkIn: CheckIn): Promise<void> {
    await api.request(this.#token, "DELETE", `${this.#path}/check-ins/${checkIn.id}`);
    this.receipt.value = null;
  }

  // Of anyone.
  readonly setSameRoom = (a: string, b: string, how: SameRoom) => this.#put("/same-room", { a, b, how });
  readonly setPairs = (pairs: readonly Pair[]) => Promise.all(pairs.map(({ a, b, how }) => this.setSameRoom(a, b, how)));
  readonly signal = () => this.#post("/signal");
  readonly agreeToRecording = (agreed: boolean) => this.#put("/recording-agreement", { agreed });

  async handOver(): Promise<HandOverTicket> {
    return (await this.#post("/hand-over")) as HandOverTicket;
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
