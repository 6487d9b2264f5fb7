// Coming and going: ten times in and out, a reload, a killed tab.
import assert from "node:assert/strict";
import { test } from "node:test";
import { allPerceive, openStage } from "../harness/stage.mjs";
import { until } from "../harness/until.mjs";

const SIZE = { width: 320, height: 180, frameRate: 15 };

test("people come and go", async (t) => {
  const stage = await openStage(t);
  const ingrid = await stage.seat("ingrid", { role: "therapist", size: SIZE });
  const anna = await stage.seat("anna", { size: SIZE });
  const gone = (person) =>
    until(`ingrid sees ${person.identity} leave`, async () => !(await ingrid.names()).includes(person.identity));

  await t.test("one who leaves and returns ten times is seen each time", async () => {
    for (let round = 1; round <= 10; round += 1) {
      await allPerceive([ingrid, anna], { frames: 5 });
      await anna.leave();
      await gone(anna);
      await stage.enter(anna, { size: SIZE });
    }
    await allPerceive([ingrid, anna]);
    const sections = await ingrid.do(() => window.connections.at(-1).getTransceivers().length);
    assert.ok(sections <= 16, `sections are used again: ${sections} after ten rounds`);
  });

  await t.test("a reload comes back", async () => {
    await anna.page.reload();
    await until("the SDK page is loaded", () => anna.page.evaluate(() => window.sdk !== undefined));
    await stage.enter(anna, { size: SIZE });
    await allPerceive([ingrid, anna]);
  });

  await t.test("a killed tab is gone for the others within 20 s", async () => {
    const ben = await stage.seat("ben", { size: SIZE });
    await allPerceive([ingrid, anna, ben], { frames: 5 });
    const devtools = await ben.page.context().newCDPSession(ben.page);
    const killed = performance.now();
    // The renderer process dies in this call, so its answer never comes.
    devtools.send("Page.crash").catch(() => undefined);
    for (const person of [ingrid, anna]) {
      await until("ben is gone", async () => !(await person.names()).includes("ben"), 20_000);
    }
    t.diagnostic(`gone after ${((performance.now() - killed) / 1000).toFixed(1)} s`);
    await allPerceive([ingrid, anna]);
  });

  await t.test("nothing went elsewhere or wrong", () => stage.checkClean());
});
