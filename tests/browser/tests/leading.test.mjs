// A therapist leads a couples session from the page: hold and private conversation, and that nothing passes a seal.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openCouplesSession, SANDERS } from "../harness/clinic.mjs";
import { inSight } from "../harness/page.mjs";
import { assertSilent, recordSignalling, untilParted, untilTold } from "../harness/silence.mjs";
import { holds, until } from "../harness/until.mjs";

/** From the answer to a command on, the picture that is decoded already may still be shown for this long. */
const SETTLED_MS = 300;
const STAYS_MS = 2_500;

const sleepUntil = (at) => new Promise((resolve) => setTimeout(resolve, Math.max(0, at - Date.now())));

/** Presses a button of the therapist's; resolves with when the server's answer was there. */
async function command(visitor, name, path) {
  const [response] = await Promise.all([
    visitor.page.waitForResponse((response) => response.url().includes(path)),
    visitor.press(name),
  ]);
  const at = Date.now();
  assert.ok(response.ok(), `${name}: ${response.status()}`);
  return at;
}

/** Neither pictures nor sound after the settling time, and it stays so. */
async function isCutOff(visitor, answeredAt) {
  await sleepUntil(answeredAt + SETTLED_MS);
  const { frames, energy } = await visitor.received();
  await holds(
    `${visitor.name} sees and hears nobody`,
    async () => {
      const now = await visitor.received();
      // What is taken away altogether counts no more.
      if (now.frames <= frames && now.energy <= energy) return true;
      throw new Error(JSON.stringify({ before: { frames, energy }, now }));
    },
    STAYS_MS,
  );
}

test("holding and talking in private", async (t) => {
  const { clinic, session, sanders, alex, robin } = await openCouplesSession(t);
  const frames = await recordSignalling(robin.page);

  await t.test("all three hear each other, and every page says so", async () => {
    await sanders.says("You, Alex, and Robin can hear each other.");
    await alex.says("Dr. Sanders and Robin can see and hear you.");
    await sanders.checkView("therapist with a couple");
    await alex.checkView("client with therapist and partner");
  });

  // What would tell Robin of the others, in whatever message: their names, identities and publications.
  const telling = ["alex", "Alex", "sanders", "Dr. Sanders", ...(await robin.publications())];

  let sealed = 0;

  await t.test("one on hold sees and hears nobody within 300 ms, and that stays", async () => {
    const before = frames.length;
    const answered = await command(sanders, "Hold Robin", "/robin/hold");
    await isCutOff(robin, answered);
    sealed = await untilParted(frames, before, ["alex", "sanders"]);
    await robin.isOnHold();
    await robin.checkView("on hold");
    await sanders.says("Only you and Alex can hear each other. Robin is on hold: sees and hears nobody.");
    await alex.says("Dr. Sanders can see and hear you.");
    await Promise.all([alex.perceives(), sanders.perceives()]);
  });

  await t.test("nothing tells the held one what the others do", async () => {
    await alex.page.keyboard.press("m");
    await alex.says("Your microphone is off. Dr. Sanders can see you.");
    await sanders.page.keyboard.press("c");
    await until("the therapist's camera is off", async () => (await alex.page.getByText("Camera off").count()) > 0);
    await sanders.page.keyboard.press("c");
    await alex.page.keyboard.press("m");
    await alex.says("Dr. Sanders can see and hear you.");
    assertSilent(frames, sealed, telling);
  });

  await t.test("brought back, everybody perceives everybody", async () => {
    await sanders.press("Bring back Robin");
    await robin.isInCall();
    await Promise.all([robin.perceives(), alex.perceives(), sanders.perceives()]);
    await sanders.says("You, Alex, and Robin can hear each other.");
    await robin.showsPicturesOf(["Alex", "Dr. Sanders"]);
    await untilTold(frames, telling);
  });

  await t.test("a private conversation begins with one press, is confirmed, and nothing of it gets out", async () => {
    const before = frames.length;
    const answered = await command(sanders, "Talk in private with Alex", "/check-ins");
    await isCutOff(robin, answered);
    sealed = await untilParted(frames, before, ["alex", "sanders"]);
    await robin.isOnHold();
    await sanders.page.getByRole("heading", { name: "Private conversation with Alex" }).waitFor();
    await sanders.page.getByText(/Confirmed by the server at/).waitFor();
    await sanders.says("Only you and Alex can hear each other. Robin is on hold: sees and hears nobody.");
    await alex.says("Dr. Sanders can see and hear you. This is a private conversation.");
    await Promise.all([alex.perceives(), sanders.perceives()]);
    await sanders.checkView("private conversation");
    assertSilent(frames, sealed, telling);
  });

  await t.test("and back with one press", async () => {
    await sanders.press("Back together");
    await robin.isInCall();
    await Promise.all([robin.perceives(), alex.perceives(), sanders.perceives()]);
    await sanders.says("You, Alex, and Robin can hear each other.");
    await alex.says("Dr. Sanders and Robin can see and hear you.");
  });

  await t.test("someone held gives a sign that only the therapist reads, wherever in the panel they are", async () => {
    await sanders.press("Hold Alex");
    await alex.isOnHold();
    await sanders.page.locator(".panel").evaluate((panel) => panel.scrollTo(0, panel.scrollHeight));
    await alex.press("Tell my therapist I need a pause");
    await alex.page.getByText("Your therapist knows.").waitFor();
    await alex.checkView("on hold, sign given");
    await inSight(sanders.page.locator(".private .note", { hasText: "Alex asks for a pause." }));
    await sanders.checkView("therapist with a private sign");
    await sanders.press("Noted: Alex");
    await until("it is gone", async () => (await sanders.page.locator(".private").count()) === 0);
    assert.equal(await robin.page.getByText("asks for a pause").count(), 0, "the partner reads nothing of it");
    await sanders.press("Bring back Alex");
    await alex.isInCall();
  });

  await t.test("whoever sees the therapist's screen does not read with them", async () => {
    const note = sanders.page.locator(".note", { hasText: "Robin asks for a pause." });
    await sanders.press("Share your screen");
    await sanders.page.getByText("You are sharing your screen.").waitFor();
    await robin.page.getByRole("button", { name: /^Pause/ }).click();
    await inSight(sanders.page.getByText("There is a note for you."));
    assert.equal(await note.count(), 0);
    await sanders.press("Stop sharing your screen");
    await note.waitFor();
    await sanders.press("Noted: Robin");
  });

  await t.test("without the therapist nobody hears anybody, and with them all is as before", async () => {
    await sanders.press("Leave");
    await sanders.press("Leave the session");
    await sanders.sees("You have left the session");
    await Promise.all([alex.isOnHold(), robin.isOnHold()]);
    const back = await clinic.visit(session, SANDERS);
    await back.joinCall();
    await Promise.all([alex.isInCall(), robin.isInCall()]);
    await Promise.all([alex.perceives(), robin.perceives(), back.perceives()]);
  });

  await t.test("nothing went elsewhere or wrong", () => clinic.checkClean());
});
