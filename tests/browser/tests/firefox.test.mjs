// Firefox and Chromium in one call: other DTLS, other SDP, other congestion control, and the offer comes after the join.
import assert from "node:assert/strict";
import { test } from "node:test";
import { launchFirefox } from "../harness/browsers.mjs";
import { allPerceive, openStage } from "../harness/stage.mjs";

const SIZE = { width: 640, height: 360, frameRate: 15 };

test("Firefox with Chromium", async (t) => {
  const stage = await openStage(t);
  const firefox = await launchFirefox();
  t.after(() => firefox.close());
  const ingrid = await stage.seat("ingrid", { role: "therapist", size: SIZE });
  const anna = await stage.seat("anna", { size: SIZE, open: firefox.open });

  await t.test("each decodes the other", () => allPerceive([ingrid, anna], { within: 40_000 }));

  await t.test("Firefox comes back after leaving", async () => {
    await anna.leave();
    await stage.enter(anna, { size: SIZE });
    await allPerceive([ingrid, anna], { within: 40_000 });
  });

  await t.test("the media is sealed with AES-GCM", async () => {
    const cipher = async (person) => (await person.do((sdk) => sdk.stats("transport")))[0]?.srtpCipher;
    t.diagnostic(`Chromium: ${await cipher(ingrid)}; Firefox: ${(await cipher(anna)) ?? "does not tell"}`);
    assert.match((await cipher(ingrid)) ?? "", /GCM/);
  });

  await t.test("nothing went elsewhere or wrong", async () => {
    firefox.watch.seeIce(await anna.page.evaluate(() => window.iceUrls));
    assert.deepEqual(firefox.watch.foreign, []);
    await stage.checkClean();
  });
});
