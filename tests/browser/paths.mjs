// Calls of real browsers over bad lines: through our server, and beside it from browser to browser as Chromium does it by
// itself, in turn, over the same path. Prints a table and writes JSON. No test: what it says depends on the machine.
//
//     PARLOUR_BIN=… node paths.mjs [--only 2.5,couple] [--ways ours,direct] [--rounds 1] [--json FILE] [--samples DIR]
//         [--every 1] [--playout MS]
//
// Needs root for network namespaces (see paths/homes.mjs). Two encoders of 720p in software need two cores of their own:
// the load is in the result, and so is the time that encoders were limited by the processor.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setTimeout as passes } from "node:timers/promises";
import { film } from "./paths/camera.mjs";
import { CASES } from "./paths/cases.mjs";
import { openHomes, OUTSIDE, unsupported } from "./paths/homes.mjs";
import { callDirectly, callThroughServer, delayPictures, launch, sample } from "./paths/people.mjs";
import { received, table, until } from "./paths/report.mjs";
import { startServer } from "./harness/server.mjs";
import { token } from "./harness/token.mjs";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    ways: { type: "string", default: "ours,direct" },
    rounds: { type: "string", default: "1" },
    json: { type: "string" },
    samples: { type: "string" },
    every: { type: "string", default: "1" },
    playout: { type: "string" },
  },
});
/** While people come and go, so that no case begins in the queue of the one before. */
const FREE = { rate: 50_000_000, queue_ms: 200, delay_ms: 20, loss: 0 };

async function pictures(people) {
  for (const { page, identity } of people) {
    await page
      .waitForFunction(
        async (wanted) => {
          let moving = 0;
          for (const connection of window.connections ?? []) {
            for (const one of (await connection.getStats()).values()) if (one.type === "inbound-rtp" && one.framesDecoded > 5) moving += 1;
          }
          return moving >= wanted;
        },
        people.length - 1,
        { timeout: 40_000, polling: 250 },
      )
      .catch(() => console.error(`${identity} does not see everyone`));
  }
}

/** Samples each second (`--every`), and the line changes when its time has come. */
async function watch(people, homes, { seconds, changes }) {
  const samples = Object.fromEntries(people.map(({ identity }) => [identity, []]));
  const started = performance.now();
  const waiting = [...changes];
  const every = Number(values.every);
  for (let second = 0; second <= seconds; second += every) {
    while (waiting.length && waiting[0].at <= second) homes.set(waiting.shift().set);
    for (const person of people) samples[person.identity].push(await sample(person));
    await passes(Math.max(0, started + (second + every) * 1_000 - performance.now()));
  }
  return samples;
}

async function tryOnce(one, way, round, homes, browsers, server) {
  homes.set({ down: FREE, up: FREE, outage: false });
  const session = `paths-${one.id}-${way}-${round}`;
  const people = [await browsers.outside.open("therapist")];
  for (let index = 1; index <= one.partners; index += 1) people.push(await browsers.home.open(`partner-${index}`));
  try {
    homes.set(one.start);
    if (way === "direct") await callDirectly(people, one.size);
    else {
      const tokenFor = (identity) => token({ session, identity, role: identity === "therapist" ? "therapist" : "client" });
      await callThroughServer(people, server.url, tokenFor, one.size);
    }
    await pictures(people);
    if (values.playout) for (const person of people) await delayPictures(person, Number(values.playout));
    await homes.count();
    const begun = performance.now();
    const samples = await watch(people, homes, one);
    const line = lineOf(one, await homes.count(), (performance.now() - begun) / 1000);
    return { id: one.id, what: one.what, way, load: loadavg()[0], line, people: peopleOf(samples, one.back), samples };
  } finally {
    for (const person of people) await person.close();
  }
}

/** `back`: the moment at which the line is well again, and the picture that counts as well. */
const peopleOf = (samples, back) =>
  Object.entries(samples).map(([who, all]) => ({
    who,
    ...received(all),
    back_s: back ? until(all, back.at, back.height) : null,
  }));

/** How much of the line was used, in percent of what it could carry in that time. */
function lineOf({ start, changes, seconds }, count, took) {
  const used = (name) => {
    let [rate, since, could] = [start[name].rate, 0, 0];
    for (const { at, set } of changes) {
      if (!set[name]) continue;
      could += rate * (at - since);
      [rate, since] = [set[name].rate, at];
    }
    could += rate * (seconds - since);
    return Math.round((100 * count[name].bytes_out * 8 * (seconds / took)) / could);
  };
  return {
    down_percent: used("down"),
    up_percent: used("up"),
    down_queue_ms: Math.round(count.down.queue_ms_max),
    up_queue_ms: Math.round(count.up.queue_ms_max),
    down_overflowed: count.down.overflowed,
    up_overflowed: count.up.overflowed,
  };
}

const reason = await unsupported();
if (reason) {
  console.error(`no shaped paths on this machine: ${reason}`);
  process.exit(2);
}

const wanted = values.only?.split(",") ?? CASES.map(({ id }) => id);
const folder = await mkdtemp(join(tmpdir(), "parlour-camera-"));
const camera = join(folder, "camera.y4m");
await film(camera);
const homes = await openHomes();
const results = [];
const open = [];
try {
  const server = await startServer(null, undefined, { at: OUTSIDE, mediaAt: OUTSIDE, spawn: homes.spawnOutside });
  open.push(() => server.stop());
  const browsers = { home: await launch(homes.inHome, camera), outside: await launch(homes.inOutside, camera) };
  open.push(() => browsers.home.close(), () => browsers.outside.close());
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    for (const one of CASES.filter(({ id }) => wanted.includes(id))) {
      for (const way of values.ways.split(",")) {
        const { samples, ...result } = await tryOnce(one, way, round, homes, browsers, server);
        results.push({ round, ...result });
        console.log(table([result]).split("\n").slice(results.length > 1 ? 2 : 0).join("\n"));
        if (values.samples) {
          await mkdir(values.samples, { recursive: true });
          await writeFile(join(values.samples, `${one.id}-${way}-${round}.json`), JSON.stringify(samples));
        }
      }
    }
  }
  for (const alarm of server.alarms()) console.error(alarm);
  if (values.json) {
    const browser = browsers.home.version;
    await writeFile(values.json, `${JSON.stringify({ browser, results }, null, 2)}\n`);
  }
} finally {
  for (const close of open.reverse()) await close();
  await homes.close();
  await rm(folder, { recursive: true, force: true });
}
