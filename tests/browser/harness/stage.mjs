// What a test needs to seat people in a call: a server, the SDK page, a browser, and people with verbs.
import assert from "node:assert/strict";
import { launchChromium } from "./browsers.mjs";
import { serveSdkPages } from "./sdk-pages.mjs";
import { startServer } from "./server.mjs";
import { token } from "./token.mjs";
import { until } from "./until.mjs";

/** One person on the SDK page, in whichever browser. */
export class Person {
  constructor(page, identity) {
    this.page = page;
    this.identity = identity;
  }

  /** Runs `act(sdk, argument)` in the page. */
  do(act, argument) {
    // Functions cross into the page as text.
    return this.page.evaluate(
      ([source, value]) => (0, eval)(`(${source})`)(window.sdk, value),
      [act.toString(), argument],
    );
  }

  received() {
    return this.do((sdk) => sdk.received());
  }

  async of(other) {
    return (await this.received())[other.identity] ?? null;
  }

  names() {
    return this.do((sdk) => [...sdk.room.remoteParticipants.keys()].sort());
  }

  state() {
    return this.do((sdk) => sdk.room.state);
  }

  events(name) {
    return this.do((sdk, wanted) => sdk.log.filter(({ event }) => event === wanted), name);
  }

  /** Video is decoded and sound has energy, both newly, from `other`. */
  async perceives(other, { frames = 15, within = 30_000 } = {}) {
    const before = (await this.of(other)) ?? { frames: 0, energy: 0 };
    const newly = (now) => {
      if (!now) return false;
      // A new track starts to count anew.
      const seen = now.frames >= before.frames ? now.frames - before.frames : now.frames;
      const heard = now.energy >= before.energy ? now.energy - before.energy : now.energy;
      return seen >= frames && heard > 0;
    };
    await until(
      `${this.identity} sees and hears ${other.identity}`,
      async () => {
        const now = await this.of(other);
        if (newly(now)) return true;
        throw new Error(`before ${JSON.stringify(before)}, now ${JSON.stringify(now)}`);
      },
      within,
    );
  }

  leave() {
    return this.do((sdk) => sdk.room.disconnect());
  }
}

/** Everybody perceives everybody. */
export async function allPerceive(people, options) {
  const pairs = people.flatMap((a) => people.filter((b) => b !== a).map((b) => [a, b]));
  await Promise.all(pairs.map(([a, b]) => a.perceives(b, options)));
}

/** The value of `read` comes to rest: from some moment on it stays as it is for `milliseconds`. */
export async function stands(what, read, milliseconds = 2500, within = 15_000) {
  let last = await read();
  let since = performance.now();
  await until(
    what,
    async () => {
      const now = await read();
      if (now !== last) [last, since] = [now, performance.now()];
      return performance.now() - since >= milliseconds;
    },
    within,
  );
}

let sessions = 0;

export async function openStage(t, { chromiumFlags = [] } = {}) {
  const server = await startServer();
  t.after(() => server.stop());
  const pages = await serveSdkPages();
  t.after(() => pages.close());
  const chromium = await launchChromium(chromiumFlags);
  t.after(() => chromium.close());

  const session = `session-${process.pid}-${(sessions += 1)}`;
  const tokenFor = (identity, role) => token({ session, identity, role });

  /** Opens the SDK page in `open`'s browser, joins and publishes. */
  const seat = async (identity, { role = "client", publish = true, open = chromium.open, ...how } = {}) => {
    const person = new Person(await open(pages.url), identity);
    await until("the SDK page is loaded", () => person.page.evaluate(() => window.sdk !== undefined));
    await enter(person, { role, publish, ...how });
    return person;
  };

  /** Joins (again) with the page that is open. */
  const enter = async (person, { role = "client", publish = true, ...how } = {}) => {
    const options = { url: server.url, token: tokenFor(person.identity, role), ...how };
    await person.do((sdk, value) => sdk.join(value), options);
    if (publish) await person.do((sdk) => sdk.publish());
  };

  /** To be called last: nothing went to another host, no page threw, the server raised no alarm. */
  const checkClean = async () => {
    assert.deepEqual(await chromium.foreignHosts(), [], "requests to other hosts");
    assert.deepEqual(chromium.errors, [], "errors in pages");
    assert.deepEqual(server.alarms(), [], "errors in the server's log");
  };

  return { server, pages, chromium, session, tokenFor, seat, enter, checkClean };
}
