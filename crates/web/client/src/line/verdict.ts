// What a measured line means for a call, in one word, and what to do about it. Pure.

export interface Measured {
  readonly down_kbps: number;
  readonly up_kbps: number;
  readonly loss_percent: number;
  readonly jitter_ms: number;
  readonly round_trip_ms: number;
}

export type Verdict = "good" | "fair" | "weak" | "poor" | "blocked";

export type Advice = "wired" | "closer" | "camera" | "phone" | "network";

/** A picture in 720 lines and sound, each way; the first step of the ladder with sound; sound alone, with repairs. */
const GOOD_KBPS = 2_000;
const FAIR_KBPS = 800;
const WEAK_KBPS = 200;

/** Beyond these, repairs and waiting begin to be heard. */
const UNSTEADY_LOSS_PERCENT = 4;
const UNSTEADY_JITTER_MS = 40;
/** Beyond this, people talk into each other's words. */
const SLOW_ROUND_TRIP_MS = 400;

export const isUnsteady = ({ loss_percent, jitter_ms, round_trip_ms }: Measured): boolean =>
  loss_percent >= UNSTEADY_LOSS_PERCENT || jitter_ms >= UNSTEADY_JITTER_MS || round_trip_ms >= SLOW_ROUND_TRIP_MS;

/** An unsteady line counts as one worse than it is wide, but not as one that carries no sound. */
export function verdict(line: Measured): Verdict {
  const kbps = Math.min(line.down_kbps, line.up_kbps);
  if (kbps < WEAK_KBPS || line.loss_percent >= 30) return "poor";
  if (kbps < FAIR_KBPS) return "weak";
  if (kbps < GOOD_KBPS) return isUnsteady(line) ? "weak" : "fair";
  return isUnsteady(line) ? "fair" : "good";
}

const ADVICE: Record<Verdict, readonly Advice[]> = {
  good: [],
  fair: ["wired", "closer"],
  weak: ["wired", "closer", "camera"],
  poor: ["wired", "closer", "phone"],
  blocked: ["network", "phone"],
};

export const advice = (of: Verdict): readonly Advice[] => ADVICE[of];
