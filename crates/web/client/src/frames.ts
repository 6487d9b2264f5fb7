// Whether one's own camera gives pictures: another program may have taken it, or its lid is closed in software. Pure: what
// the browser says every few seconds goes in, and only what lasts comes out.

export interface Source {
  /** The browser itself says that nothing comes. */
  readonly muted: boolean;
  /** Pictures that came so far; `null` where nobody takes any, or the browser does not count them. */
  readonly frames: number | null;
}

/** A camera that starts, or that another page lets go of, is given this long. */
const SILENT_AFTER_MS = 2_000;
/** A camera in the dark makes few pictures a second, and none for five seconds is none. */
const STILL_AFTER_MS = 5_000;

export class Frames {
  #mutedAt: number | null = null;
  #frames: number | null = null;
  #since = 0;

  /** Takes what the source does now, `null` for none; says whether it gives nothing. */
  take(source: Source | null, now: number): boolean {
    this.#mutedAt = source?.muted ? (this.#mutedAt ?? now) : null;
    if (source === null || source.frames === null || source.frames !== this.#frames) {
      this.#frames = source?.frames ?? null;
      this.#since = now;
    }
    const isSilent = this.#mutedAt !== null && now - this.#mutedAt >= SILENT_AFTER_MS;
    return isSilent || (this.#frames !== null && now - this.#since >= STILL_AFTER_MS);
  }
}

/** Of what a browser reports about a sender (webrtc-stats). A picture that no encoding takes is not counted by all browsers. */
export function framesOf(report: Iterable<RTCStats>): number | null {
  const all = [...report] as (RTCStats & { kind?: string; frames?: number; active?: boolean })[];
  const isTaken = all.some((one) => one.type === "outbound-rtp" && one.active === true);
  const source = all.find((one) => one.type === "media-source" && one.kind === "video");
  return isTaken ? (source?.frames ?? null) : null;
}
