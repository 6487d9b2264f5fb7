// Calls over bad lines, where the machine lets us make them (root, `ip`, /dev/net/tun); elsewhere these are skipped.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALEX, openClinic, SANDERS } from "../harness/clinic.mjs";
import { launchChromium } from "../harness/browsers.mjs";
import { startServer } from "../harness/server.mjs";
import { token } from "../harness/token.mjs";
import { until } from "../harness/until.mjs";
import { openHomes, OUTSIDE, unsupported } from "../paths/homes.mjs";
import { callThroughServer, launch, sample } from "../paths/people.mjs";
import { received } from "../paths/report.mjs";

const skip = (await unsupported()) ?? false;

const MBIT = 1_000_000;
const both = (words) => ({ down: { queue_ms: 200, delay_ms: 20, loss: 0, ...words }, up: { queue_ms: 200, delay_ms: 20, loss: 0, ...words } });
const FREE = { ...both({ rate: 50 * MBIT }), outage: false };

const where = (homes) => ({ at: OUTSIDE, mediaAt: OUTSIDE, spawn: homes.spawnOutside });

async function openHomesFor(t) {
  const homes = await openHomes();
  t.after(() => homes.close());
  homes.set(FREE);
  return homes;
}

test("a call survives 1 Mbit/s with its sound whole and its picture moving", { skip }, async (t) => {
  const homes = await openHomesFor(t);
  const server = await startServer(null, undefined, where(homes));
  t.after(() => server.stop());
  const browsers = [await launch(homes.inOutside), await launch(homes.inHome)];
  t.after(() => Promise.all(browsers.map((browser) => browser.close())));
  const people = [await browsers[0].open("therapist"), await browsers[1].open("client")];
  await callThroughServer(people, server.url, (identity) => token({ session: "survives", identity, role: identity }));
  const [, client] = people;
  const seen = async () => received([first, await sample(client)]);
  let first;
  await until("the picture moves", async () => (await sample(client)).streams.some(({ kind, frames }) => kind === "video" && frames > 10), 40_000);

  homes.set(both({ rate: 1 * MBIT }));
  first = await sample(client);
  await until("it goes on moving", async () => {
    const now = await seen();
    if (now.seconds >= 15 && now.fps * now.seconds > 45) return true;
    throw new Error(JSON.stringify(now));
  }, 60_000);
  const now = await seen();
  assert.ok(now.filled_percent < 5, `sound is whole: ${JSON.stringify(now)}`);
  assert.deepEqual(server.alarms(), []);
});

test("a weak line, told before the session and during it", { skip }, async (t) => {
  const homes = await openHomesFor(t);
  // Addresses are no secure pages, and those have no cameras.
  const flags = (server) => [`--unsafely-treat-insecure-origin-as-secure=${server.page}`];
  let outside;
  const clinic = await openClinic(t, where(homes), async (server) => {
    outside = await launchChromium(flags(server), homes.inOutside);
    t.after(() => outside.close());
    return launchChromium(flags(server), homes.inHome);
  });
  const session = await clinic.session({ backup_plan: { text: "We go on by telephone.", phone: "+47 22 00 00 00" } });
  const alex = await clinic.visit(session, ALEX);
  const sanders = await clinic.visit(session, SANDERS, {}, outside.open);

  await t.test("the test finds what the line carries", async () => {
    homes.set(both({ rate: 1 * MBIT }));
    await alex.page.locator('.line-test[data-line="known"]').waitFor({ timeout: 30_000 });
    // It may have begun on the free line.
    await alex.press("Test again");
    await alex.page.locator('.line-test[data-line="running"]').waitFor();
    await alex.page.locator('.line-test[data-line="known"]').waitFor({ timeout: 30_000 });
    await alex.page.getByText("Figures").click();
    const figures = await alex.page.locator(".line-test details p").textContent();
    const [, down, up] = /To you ([\d.]+)\sMbit\/s, from you ([\d.]+)\sMbit\/s/.exec(figures) ?? [];
    for (const rate of [down, up].map(Number)) assert.ok(rate >= 0.4 && rate <= 1.15, figures);
    t.diagnostic(figures);
  });

  await t.test("in the call, both perceive each other", async () => {
    homes.set(FREE);
    await sanders.joinCall();
    await alex.join();
    await sanders.press("Let in Alex");
    await alex.isInCall();
    await Promise.all([alex.perceives(), sanders.perceives()]);
  });

  await t.test("a picture that the line does not carry gives way to words, and sound goes on", async () => {
    homes.set(both({ rate: 0.15 * MBIT }));
    await alex.page.getByText("The connection is too weak for video. You can still hear each other.").waitFor({ timeout: 60_000 });
    assert.equal(await alex.page.locator(".tile:not(.tile-corner) video").count(), 1, "its element stays");
    const before = await alex.received();
    await until("sound goes on", async () => (await alex.received()).energy > before.energy, 30_000);
    assert.equal(await alex.page.locator(".not-carried").count(), 0);
    await alex.checkView("a paused picture");
  });

  await t.test("when sound is gone too, the backup plan is shown to both", async () => {
    homes.set({ outage: true });
    for (const person of [alex, sanders]) {
      const banner = person.page.locator(".not-carried");
      await banner.waitFor({ timeout: 60_000 });
      await banner.getByRole("link", { name: "Call +47 22 00 00 00" }).waitFor();
    }
    await alex.checkView("the backup plan in a call");
  });

  await t.test("and all of it goes away when the line is back", async () => {
    homes.set(FREE);
    for (const { page, name } of [alex, sanders]) {
      const words = page.locator(".not-carried, .picture-paused");
      await until(`no words are left for ${name}`, async () => {
        const left = await words.allTextContents();
        if (left.length === 0) return true;
        throw new Error(left.join(" | "));
      }, 60_000);
    }
    await Promise.all([alex.perceives(60_000), sanders.perceives(60_000)]);
  });

  assert.deepEqual(clinic.chromium.errors, []);
  assert.deepEqual(clinic.server.alarms(), []);
});
