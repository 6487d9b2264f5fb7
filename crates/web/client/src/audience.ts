// Who can hear and see me, in words. Pure: what the call knows goes in, a sentence comes out.
import { list, t, tn } from "./texts";

export interface Reach {
  readonly connection: "connecting" | "connected" | "reconnecting";
  readonly microphone: boolean;
  readonly camera: boolean;
  /** Names of the others in my space, whom the server forwards to. */
  readonly others: readonly string[];
}

export function audience(reach: Reach): string {
  if (reach.connection === "connecting") return t("audience.connecting");
  if (reach.connection === "reconnecting") return t("audience.reconnecting");
  const count = reach.others.length;
  if (count === 0) return t("audience.alone");
  const names = { names: list(reach.others) };
  if (reach.microphone && reach.camera) return tn("audience.see_and_hear", count, names);
  if (reach.microphone) return tn("audience.hear", count, names);
  if (reach.camera) return tn("audience.see", count, names);
  return tn("audience.nothing", count, names);
}
