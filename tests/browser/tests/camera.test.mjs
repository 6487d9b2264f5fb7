// One's own camera in a call: what it does is said to whom it belongs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALEX, openClinic, SANDERS } from "../harness/clinic.mjs";
import { cameraThatCanBeTaken } from "../harness/taken-camera.mjs";
import { until } from "../harness/until.mjs";

const WORDS = /Your camera gives no picture, so nobody sees you move/;

test("a camera that gives no pictures is told to its owner, until it gives some", async (t) => {
  const clinic = await openClinic(t);
  const session = await clinic.session();
  const sanders = await clinic.visit(session, SANDERS);
  await sanders.joinCall();
  const alex = await clinic.visit(session, ALEX, {}, async (link, context) => {
    const page = await clinic.chromium.open("about:blank", context);
    await page.addInitScript(cameraThatCanBeTaken);
    await page.goto(link);
    return page;
  });
  await alex.join();
  await alex.isWaiting();
  await sanders.press("Let in Alex");
  await alex.isInCall();
  await sanders.perceives();
  const warning = alex.page.getByText(WORDS);
  const inSelfView = alex.page.locator(".tile-corner").getByText("No picture");
  assert.equal(await warning.count(), 0, "while it works nothing is said");

  await alex.page.evaluate(() => window.takeCamera(true));
  await warning.waitFor();
  await inSelfView.waitFor({ state: "attached" });
  await alex.checkView("a camera that gives nothing");
  assert.equal(await sanders.page.getByText(WORDS).count(), 0, "it is nobody else's business");

  await alex.page.evaluate(() => window.takeCamera(false));
  await warning.waitFor({ state: "detached" });
  await inSelfView.waitFor({ state: "detached" });
  await sanders.perceives();

  await alex.page.evaluate(() => window.takeCamera(true));
  await warning.waitFor();
  await alex.press("Turn camera off");
  await warning.waitFor({ state: "detached" });
  await until("it is off", () => alex.page.getByText("Your camera is off").count());
  await clinic.checkClean();
});
