// Our own page when a call begins or ends otherwise than wished: a bad link, a server that dies, a server that stops.
import assert from "node:assert/strict";
import { test } from "node:test";
import { picture } from "../harness/artifacts.mjs";
import { checkAccessible } from "../harness/axe.mjs";
import { launchChromium, launchDoomedChromium } from "../harness/browsers.mjs";
import { enterCall, link, pictureMoves, says } from "../harness/page.mjs";
import { startServer } from "../harness/server.mjs";
import { openStage } from "../harness/stage.mjs";
import { until } from "../harness/until.mjs";

const SIZE = { width: 640, height: 360, frameRate: 15 };

test("the page when things end otherwise", async (t) => {
  const stage = await openStage(t);
  const page = await stage.chromium.open(link(stage, "anna", "therapist"));
  let again;

  await t.test("an invalid link is told in plain words", async () => {
    const refused = await stage.chromium.open(`${stage.server.page}/join#token=${forged(stage.tokenFor("eve", "client"))}`);
    await refused.getByText("This link is not valid any more.").waitFor({ timeout: 20_000 });
    await checkAccessible(refused, "a refused link");
    await refused.close();
  });

  await t.test("a server that dies is reconnecting in words, and the call comes back with it", async () => {
    await enterCall(page);
    // Pages of one Chromium share its fake camera, and when all of them restart it at once it may give no frame any more.
    const ingrids = await launchChromium();
    t.after(() => ingrids.close());
    const ingrid = await stage.seat("ingrid", { role: "therapist", size: SIZE, open: ingrids.open });
    await pictureMoves(page, "ingrid");
    await stage.server.kill();
    await page.getByText("Your connection was interrupted. Reconnecting…").waitFor({ timeout: 10_000 });
    await says(page, "The others may not hear you right now.", 5_000);
    await checkAccessible(page, "the call, interrupted");
    await picture(page, "reconnecting");
    again = await startServer(stage.server.ports);
    t.after(() => again.stop());
    await says(page, "You and ingrid can hear each other.", 40_000);
    await pictureMoves(page, "ingrid");
    await ingrid.perceives({ identity: "anna" });
    assert.deepEqual([await ingrids.foreignHosts(), ingrids.errors], [[], []]);
  });

  await t.test("Ctrl-C at the server is told to the page", async () => {
    const ended = again.interrupt();
    await page.getByRole("heading", { name: "The server is being restarted" }).waitFor({ timeout: 15_000 });
    await picture(page, "server-stopped");
    assert.deepEqual(await ended, { code: 0, signal: null });
    assert.deepEqual(again.alarms(), []);
  });

  await t.test("nothing went elsewhere or wrong", () => stage.checkClean());
});

test("a machine that vanishes is gone for the others", async (t) => {
  const stage = await openStage(t);
  const doomed = await launchDoomedChromium();
  t.after(() => doomed.close());
  const anna = await stage.seat("anna", { role: "therapist" });
  const ben = await stage.seat("ben", { open: doomed.open });
  await anna.perceives(ben);
  const vanished = performance.now();
  doomed.vanish();
  // Some five seconds until its silence is noticed, and fourteen that its seat is kept (`sessions.resume_seconds`).
  await until("ben is gone", async () => !(await anna.names()).includes("ben"), 40_000);
  t.diagnostic(`gone after ${((performance.now() - vanished) / 1000).toFixed(1)} s`);
  await stage.checkClean();
});

/** The same claims under another signature. */
function forged(token) {
  const [head, claims, signature] = token.split(".");
  return [head, claims, [...signature].reverse().join("")].join(".");
}
