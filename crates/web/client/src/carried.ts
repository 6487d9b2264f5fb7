// Whether sound gets through at all: the last rung. Pure: what the browser counted of each voice goes in every few
// seconds, and only what lasts comes out, so that a short stall shows nobody a telephone number.

/** Of one voice, since it began: decoded or made up, of that made up though there should have been sound, packets. */
export interface Voice {
  readonly samples: number;
  readonly concealed: number;
  readonly packets: number;
}

export type Voices = ReadonlyMap<string, Voice>;

/** A third made up is no conversation. */
const MADE_UP = 1 / 3;

/** Long enough for a line to be made again, short enough that nobody wonders what to do. */
const FAILS_AFTER_MS = 10_000;
const CARRIES_AFTER_MS = 6_000;

/** Whether one of the voices does not get through. Silence is sent as well, now and then, so no packet is no voice. */
export function isMissing(before: Voices, now: Voices): boolean {
  return [...now].some(([key, { samples, concealed, packets }]) => {
    const then = before.get(key);
    if (!then || packets < then.packets) return false;
    return packets === then.packets || concealed - then.concealed > MADE_UP * (samples - then.samples);
  });
}

export class Carried {
  #turnedAt: number | null = null;
  #carries = true;

  /** Takes whether sound is missing now; says whether the call carries sound. */
  take(missing: boolean, now: number): boolean {
    if (missing !== this.#carries) this.#turnedAt = null;
    else this.#turnedAt ??= now;
    const after = this.#carries ? FAILS_AFTER_MS : CARRIES_AFTER_MS;
    if (this.#turnedAt !== null && now - this.#turnedAt >= after) {
      this.#carries = !this.#carries;
      this.#turnedAt = null;
    }
    return this.#carries;
  }
}
