// End-to-end encryption: the server forwards frames that it cannot read.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALEX, openClinic } from "../harness/clinic.mjs";
import { button } from "../harness/page.mjs";
import { allPerceive, openStage, stands } from "../harness/stage.mjs";
import { holds, until } from "../harness/until.mjs";

const SIZE = { width: 640, height: 360, frameRate: 15 };

test("end-to-end encrypted call", async (t) => {
  const stage = await openStage(t);
  const key = "a key the server never sees";
  const ingrid = await stage.seat("ingrid", { role: "therapist", size: SIZE, key });
  const anna = await stage.seat("anna", { size: SIZE, key });

  await t.test("each decodes the other", () => allPerceive([ingrid, anna], { within: 40_000 }));

  await t.test("tracks are marked as encrypted", async () => {
    for (const [person, other] of [[ingrid, anna], [anna, ingrid]]) {
      await until("the mark is told", async () => (await person.of(other)).encrypted === true);
    }
  });

  await t.test("layers can still be chosen", async () => {
    const wish = (quality) =>
      anna.do(
        (sdk, wanted) =>
          sdk.room.remoteParticipants
            .get("ingrid")
            .getTrackPublication("camera")
            .setVideoQuality(sdk.livekit.VideoQuality[wanted]),
        quality,
      );
    const width = async () => (await anna.of(ingrid)).width;
    await wish("LOW");
    await until("anna gets the small picture", async () => (await width()) === 320);
    await wish("HIGH");
    await until("anna gets the full picture", async () => (await width()) === 640);
  });

  const eve = await stage.seat("eve", { size: SIZE, key: "another key", publish: false });

  await t.test("one with another key sees nothing", async () => {
    await until("packets reach eve", async () => (await eve.of(anna))?.packets > 50);
    await stands("eve decodes nothing", async () => (await eve.of(anna)).frames);
  });

  await t.test("data is read by those who have the key, and by nobody else", async () => {
    for (const person of [ingrid, eve]) {
      await person.do((sdk) =>
        sdk.room.on("dataReceived", (payload) => (sdk.secret = new TextDecoder().decode(payload))),
      );
    }
    await anna.do((sdk) => sdk.room.localParticipant.publishData(new TextEncoder().encode("psst"), { reliable: true }));
    await until("ingrid reads it", () => ingrid.do((sdk) => sdk.secret === "psst"));
    await holds("eve cannot", () => eve.do((sdk) => sdk.secret === undefined), 1000);
    await eve.leave();
  });

  await t.test("our own page joins with a key from its link", async () => {
    const link = `${stage.server.page}/join#token=${stage.tokenFor("ben")}&key=${encodeURIComponent(key)}`;
    const page = await stage.chromium.open(link);
    const join = page.getByRole("button", { name: "Join the session" });
    await until("the device check is ready", () => join.isEnabled());
    await join.click();
    await page.getByText("End-to-end encrypted").waitFor();
    await until("ben's picture is decoded", async () => (await anna.of({ identity: "ben" }))?.frames > 10, 30_000);
    const video = page.locator(".tile", { hasText: "anna" }).locator("video");
    const frames = () => video.evaluate((element) => element.getVideoPlaybackQuality().totalVideoFrames);
    await until("ben sees anna", async () => (await video.count()) === 1 && (await frames()) > 10, 30_000);

    // A code that is typed has no room for the key: whoever came by it would see nobody.
    await button(page, "More").click();
    await button(page, "Continue on another device").click();
    await page.getByRole("img", { name: "QR code with the link for the other device" }).waitFor();
    assert.equal(await page.locator(".code").count(), 0, "there is only the link, with its key");
  });

  await t.test("nothing went elsewhere or wrong", () => stage.checkClean());
});

test("who has a link without the key is told so, where the session asks for one", async (t) => {
  const clinic = await openClinic(t);
  const session = await clinic.session({ policy: { e2ee: "required" } });
  const page = await clinic.chromium.open(`${clinic.server.page}/`);
  await page.goto(await clinic.invite(session, ALEX));
  await page.getByText("the link lacks its key").waitFor();
  await clinic.checkClean();
});
