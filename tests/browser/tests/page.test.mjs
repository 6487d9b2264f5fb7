// Our own page, walked as people do: link, device check, call, leave; narrow and wide, light and dark.
import assert from "node:assert/strict";
import { test } from "node:test";
import { picture } from "../harness/artifacts.mjs";
import { checkAccessible } from "../harness/axe.mjs";
import { audience, button, checkFits, enterCall, join, link, pictureMoves, says } from "../harness/page.mjs";
import { openStage } from "../harness/stage.mjs";
import { holds, until } from "../harness/until.mjs";

const SIZE = { width: 640, height: 360, frameRate: 15 };

const VIEWS = [
  { name: "wide", viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  { name: "narrow", viewport: { width: 360, height: 740 }, colorScheme: "dark" },
];

for (const { name, ...context } of VIEWS) {
  test(`the page, ${name}`, async (t) => {
    const stage = await openStage(t);
    const page = await stage.chromium.open(`${stage.server.page}/`, context);

    await t.test("without a ticket it asks for the link", async () => {
      await page.getByRole("heading", { name: "Open the link you were given" }).waitFor();
      await checkAccessible(page, "the welcome page");
      await checkFits(page);
      await page.getByLabel("Session link or code").fill("https://example.org/");
      await button(page, "Continue").click();
      await page.getByRole("alert").waitFor();
      await checkAccessible(page, "a refused link");
      await page.getByLabel("Session link or code").fill(link(stage, "anna", "client"));
      await button(page, "Continue").click();
      await page.getByRole("heading", { name: "Ready when you are, anna" }).waitFor();
    });

    await t.test("device check: picture, level, devices; the address bar holds no token", async () => {
      await page.goto(link(stage, "anna", "client"));
      await page.getByRole("heading", { name: "Ready when you are, anna" }).waitFor();
      assert.equal(page.url(), `${stage.server.page}/join`);
      await page.getByText("You are joining as: Client").waitFor();
      await until("the camera picture moves", () =>
        page.locator("video").evaluate((video) => video.getVideoPlaybackQuality().totalVideoFrames > 5),
      );
      await until("the meter moves", async () => {
        const level = await page.getByRole("meter").getAttribute("aria-valuenow");
        return Number(level) > 5;
      });
      for (const device of ["Camera", "Microphone", "Speaker"]) {
        await until(`there is a ${device}`, () => page.getByRole("combobox", { name: device }).isEnabled());
      }
      await button(page, "Turn camera off").click();
      await page.getByText("Your camera is off", { exact: true }).waitFor();
      await button(page, "Turn camera on").click();
      await page.locator("video").waitFor();
      await checkAccessible(page, "the device check");
      await checkFits(page);
      await picture(page, `device-check-${name}`);
    });

    await t.test("without a therapist one waits, and is told that nobody sees or hears", async () => {
      await join(page);
      await page.getByRole("heading", { name: "You are in the waiting room" }).waitFor();
      await page.getByText("Your therapist is not here yet.").waitFor();
      await page.getByText("Nobody can see or hear you here.").waitFor();
      await checkAccessible(page, "waiting for a therapist");
    });

    const ingrid = await stage.seat("ingrid", { role: "therapist", size: SIZE });
    await page.locator(".call").waitFor();
    const anna = { identity: "anna" };

    await t.test("the therapist is shown with name and role, and perceives the page", async () => {
      await says(page, "ingrid can see and hear you.");
      await page.locator(".tile", { hasText: "ingrid" }).getByText("Therapist").waitFor();
      await pictureMoves(page, "ingrid");
      await ingrid.perceives(anna);
      const playing = () => page.locator("audio").evaluateAll((all) => all.filter((audio) => !audio.paused).length);
      await until("one sound is playing", async () => (await playing()) === 1);
    });

    await t.test("a third person makes two tiles", async () => {
      const ben = await stage.seat("ben", { size: SIZE });
      await says(page, "ingrid and ben can see and hear you.");
      await pictureMoves(page, "ben");
      await ben.do((sdk) => sdk.setSpeaking(true));
      await page.locator('.tile[data-speaking="true"]', { hasText: "ben" }).getByText("Speaking").waitFor();
      await checkAccessible(page, "the call of three");
      await checkFits(page);
      await picture(page, `call-three-${name}`);
      await ben.leave();
      await says(page, "ingrid can see and hear you.");
      await ben.page.close();
    });

    await t.test("microphone and camera by key and button", async () => {
      await page.keyboard.press("m");
      await says(page, "Your microphone is off. ingrid can see you.");
      await until("the mute is told", async () => (await ingrid.of(anna)).microphoneMuted === true);
      await button(page, "Turn camera off").click();
      await says(page, "Your microphone and camera are off. ingrid is here.");
      await until("the camera is told as off", async () => (await ingrid.of(anna)).cameraMuted === true);
      await checkAccessible(page, "the call, muted");
      await page.keyboard.press("c");
      await button(page, "Turn microphone on").click();
      await says(page, "ingrid can see and hear you.");
      await ingrid.perceives(anna);
    });

    await t.test("a screen is shared and seen", async () => {
      await button(page, "Share your screen").click();
      await page.getByText("You are sharing your screen.").waitFor();
      await until("the screen is decoded", async () => (await ingrid.of(anna)).screenFrames > 0, 30_000);
      await picture(page, `sharing-${name}`);
      await button(page, "Stop sharing your screen").click();
      await pictureMoves(page, "ingrid");
      await ingrid.do((sdk) => sdk.room.localParticipant.setScreenShareEnabled(true, { preferCurrentTab: true }));
      await page.getByText("ingrid is sharing a screen").waitFor();
      await checkAccessible(page, "a shared screen");
      await checkFits(page);
      await picture(page, `shared-screen-${name}`);
      await ingrid.do((sdk) => sdk.room.localParticipant.setScreenShareEnabled(false));
      await pictureMoves(page, "ingrid");
    });

    await t.test("more: own picture hidden, shortcuts off, closed by Escape", async () => {
      await button(page, "More").click();
      await page.getByRole("dialog", { name: "More" }).waitFor();
      await checkAccessible(page, "what else there is");
      await checkFits(page);
      await picture(page, `more-${name}`);
      await page.getByLabel("Show my own picture").uncheck();
      await page.getByLabel(/Keyboard shortcuts/).uncheck();
      await page.keyboard.press("Escape");
      await until("the own picture is hidden", async () => (await page.locator(".tile-corner").count()) === 0);
      await page.keyboard.press("m");
      await holds("the key does nothing", async () => (await audience(page)) === "ingrid can see and hear you.", 600);
    });

    await t.test("every control is reached by keyboard", async () => {
      const reached = new Set();
      await page.locator("body").focus();
      for (let presses = 0; presses < 12; presses += 1) {
        await page.keyboard.press("Tab");
        reached.add(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")));
      }
      for (const control of ["Turn microphone off", "Turn camera off", "Share your screen", "More", "Leave"]) {
        assert.ok(reached.has(control), `${control} among ${[...reached]}`);
      }
    });

    await t.test("a reload asks before it comes back", async () => {
      await page.reload();
      await page.getByText("Nobody can see or hear you yet.").waitFor();
      await enterCall(page);
      await says(page, "ingrid can see and hear you.", 20_000);
      await ingrid.perceives(anna);
    });

    await t.test("leaving asks once and leaves no trace", async () => {
      await page.keyboard.press("l");
      await page.getByRole("dialog", { name: "Leave the session?" }).waitFor();
      await checkAccessible(page, "the question");
      await button(page, "Stay").click();
      await button(page, "Leave").click();
      await button(page, "Leave the session").click();
      await page.getByRole("heading", { name: "You have left the session" }).waitFor();
      await checkAccessible(page, "the last page");
      await picture(page, `left-${name}`);
      await until("the others see it", async () => (await ingrid.names()).length === 0);
      const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]);
      assert.deepEqual(kept, [0, 0, ""]);
      const left = await page.evaluate(() => [...document.querySelectorAll("video, audio")].map((one) => one.outerHTML));
      assert.deepEqual(left, [], "no picture or sound is left");
    });

    await t.test("nothing went elsewhere or wrong", () => stage.checkClean());
  });
}

test("the page in the reader's language, and still for those who want no motion", async (t) => {
  const stage = await openStage(t);
  for (const [locale, heading] of [
    ["fr-CA", "Quand vous serez prêt·e, anna"],
    ["no", "Klar når du er det, anna"],
    ["ja", "Ready when you are, anna"],
  ]) {
    const page = await stage.chromium.open(link(stage, "anna", "client"), { locale, reducedMotion: "reduce" });
    await page.getByRole("heading", { name: heading }).waitFor();
    await checkAccessible(page, `the device check in ${locale}`);
    const moving = await page.evaluate(() => getComputedStyle(document.querySelector(".level-bar span")).transitionDuration);
    assert.equal(moving, "0s");
    await page.close();
  }
  await stage.checkClean();
});
