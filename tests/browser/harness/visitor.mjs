// One person on our own page, with the verbs that people have there, and what really arrives at them.
import { checkAccessible } from "./axe.mjs";
import { picture } from "./artifacts.mjs";
import { button, checkFits } from "./page.mjs";
import { until } from "./until.mjs";

/** A phone and a laptop, and a very large screen where the arrangement is another one there. */
const SIZES = [
  { width: 360, height: 740 },
  { width: 1280, height: 800 },
];
const LARGE = { width: 3840, height: 2160 };

export class Visitor {
  constructor(page, identity, name) {
    this.page = page;
    this.identity = identity;
    this.name = name;
  }

  press(name) {
    return button(this.page, name).click();
  }

  /** Resolves when the page has this heading. */
  sees(heading) {
    return this.page.getByRole("heading", { name: heading, exact: true }).waitFor();
  }

  async agree() {
    await this.page.getByLabel("I have read this and agree.").check();
    await this.press("Continue");
  }

  /** Through the device check. Where one is then, the session's rules say. */
  async join() {
    const join = button(this.page, "Join the session");
    await until("the device check is ready", () => join.isEnabled());
    await join.click();
  }

  async joinCall() {
    await this.join();
    await this.isInCall();
  }

  isInCall() {
    return this.page.locator(".call").waitFor();
  }

  isOnHold() {
    return this.sees("One moment, please");
  }

  isWaiting() {
    return this.sees("You are in the waiting room");
  }

  /** All sentences about who hears whom. */
  standing() {
    return this.page.locator(".standing").evaluate((element) => [...element.querySelectorAll("p")].map((p) => p.textContent).join(" "));
  }

  says(text, within = 15_000) {
    return until(`${this.name} reads: ${text}`, async () => {
      const words = await this.standing();
      if (words === text) return true;
      throw new Error(words);
    }, within);
  }

  /** Frames decoded, sound energy and packets, in sum over all that ever arrived. */
  received() {
    return this.page.evaluate(async () => {
      const sum = { frames: 0, energy: 0, packets: 0 };
      for (const connection of window.connections) {
        if (connection.connectionState === "closed") continue;
        for (const stats of (await connection.getStats()).values()) {
          if (stats.type !== "inbound-rtp") continue;
          sum.frames += stats.framesDecoded ?? 0;
          sum.energy += stats.totalAudioEnergy ?? 0;
          sum.packets += stats.packetsReceived ?? 0;
        }
      }
      return sum;
    });
  }

  /** Pictures move and sound has energy, newly. */
  async perceives(within = 30_000) {
    const before = await this.received();
    await until(`${this.name} sees and hears somebody`, async () => {
      const now = await this.received();
      if (now.frames > before.frames + 5 && now.energy > before.energy) return true;
      const seen = JSON.stringify({ before, now });
      // What ends meanwhile takes its part of the sums with it.
      for (const what of Object.keys(before)) before[what] = Math.min(before[what], now[what]);
      throw new Error(seen);
    }, within);
  }

  /** The SIDs of what others publish, as this page has received it. */
  publications() {
    return this.page.evaluate(() =>
      window.connections.flatMap((one) => one.getReceivers().map(({ track }) => track.id)).filter((id) => id.startsWith("TR_")),
    );
  }

  /** Names on the pictures of others. */
  pictures() {
    return this.page.locator(".tile:not(.tile-corner) .plate-name").allTextContents();
  }

  showsPicturesOf(names) {
    return until(`${this.name} sees ${names.join(", ")}`, async () => {
      const shown = (await this.pictures()).sort();
      if (shown.join() === [...names].sort().join()) return true;
      throw new Error(shown.join());
    });
  }

  sessionToken() {
    return this.page.evaluate(() => new URLSearchParams(sessionStorage.getItem("parlour.ticket").slice(1)).get("token"));
  }

  /** What is on screen fits and is accessible at every size; leaves pictures for people to look at. */
  async checkView(what, { large = false } = {}) {
    const before = this.page.viewportSize();
    try {
      for (const size of large ? [...SIZES, LARGE] : SIZES) {
        await this.page.setViewportSize(size);
        await checkFits(this.page);
        await checkAccessible(this.page, `${what} at ${size.width} px`);
        await picture(this.page, `${what.replace(/\W+/g, "-")}-${size.width}`);
      }
    } finally {
      await this.page.setViewportSize(before);
    }
  }
}
