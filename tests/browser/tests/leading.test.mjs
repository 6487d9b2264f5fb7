// A therapist leads a couples session from the page: hold, private conversation, floor, one room, microphones, door, end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onNow, openCouplesSession, ROBIN, SANDERS } from "../harness/clinic.mjs";
import { button } from "../harness/page.mjs";
import { assertSilent, recordSignalling } from "../harness/silence.mjs";
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

  await t.test("one on hold sees and hears nobody within 300 ms, and that stays", async () => {
    const answered = await command(sanders, "Hold Robin", "/robin/hold");
    await isCutOff(robin, answered);
    await robin.isOnHold();
    await robin.checkView("on hold");
    await sanders.says("Only you and Alex can hear each other. Robin is on hold: sees and hears nobody.");
    await alex.says("Dr. Sanders can see and hear you.");
    await Promise.all([alex.perceives(), sanders.perceives()]);
  });

  await t.test("nothing tells the held one what the others do", async () => {
    const since = Date.now();
    await alex.page.keyboard.press("m");
    await alex.says("Your microphone is off. Dr. Sanders can see you.");
    await sanders.page.keyboard.press("c");
    await until("the therapist's camera is off", async () => (await alex.page.getByText("Camera off").count()) > 0);
    await sanders.page.keyboard.press("c");
    await alex.page.keyboard.press("m");
    await alex.says("Dr. Sanders can see and hear you.");
    assertSilent(frames, since, ["alex", "Alex", "sanders", "Dr. Sanders", "TR_"]);
  });

  await t.test("brought back, everybody perceives everybody", async () => {
    await sanders.press("Bring back Robin");
    await robin.isInCall();
    await Promise.all([robin.perceives(), alex.perceives(), sanders.perceives()]);
    await sanders.says("You, Alex, and Robin can hear each other.");
    assert.deepEqual((await robin.pictures()).sort(), ["Alex", "Dr. Sanders"]);
  });

  await t.test("a private conversation begins with one press, is confirmed, and nothing of it gets out", async () => {
    const answered = await command(sanders, "Talk in private with Alex", "/check-ins");
    await isCutOff(robin, answered);
    await robin.isOnHold();
    await sanders.page.getByRole("heading", { name: "Private conversation with Alex" }).waitFor();
    await sanders.page.getByText(/Confirmed by the server at/).waitFor();
    await sanders.says("Only you and Alex can hear each other. Robin is on hold: sees and hears nobody.");
    await alex.says("Dr. Sanders can see and hear you. This is a private conversation.");
    await Promise.all([alex.perceives(), sanders.perceives()]);
    await sanders.checkView("private conversation");
    assertSilent(frames, answered + SETTLED_MS, ["alex", "Alex", "sanders", "Dr. Sanders", "TR_"]);
  });

  await t.test("and back with one press", async () => {
    await sanders.press("Back together");
    await robin.isInCall();
    await Promise.all([robin.perceives(), alex.perceives(), sanders.perceives()]);
    await sanders.says("You, Alex, and Robin can hear each other.");
    await alex.says("Dr. Sanders and Robin can see and hear you.");
  });

  await t.test("someone held gives a sign that only the therapist reads", async () => {
    await sanders.press("Hold Alex");
    await alex.isOnHold();
    await alex.press("Tell my therapist I need a pause");
    await alex.page.getByText("Your therapist knows.").waitFor();
    await sanders.page.getByText("Alex asks for a pause.").first().waitFor();
    await sanders.checkView("therapist with a private sign");
    await sanders.press("Noted: Alex");
    await until("it is gone", async () => (await sanders.page.locator(".private").count()) === 0);
    assert.equal(await robin.page.getByText("pause").count(), 1, "only the partner's own button speaks of a pause");
    await sanders.press("Bring back Alex");
    await alex.isInCall();
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

test("voices, time and door", async (t) => {
  const { clinic, session, sanders, alex, robin } = await openCouplesSession(t, onNow(50));
  const chosen = (name) => sanders.page.locator(".choice-option[aria-pressed=true]", { hasText: name }).waitFor();

  await t.test("the floor: who is heard is said to everybody", async () => {
    await sanders.press("Only you");
    await sanders.says("Everybody hears only you. You hear Alex and Robin.");
    await alex.says(
      "Dr. Sanders can hear you. Dr. Sanders and Robin can see you. For now, only your therapist is heard by everybody.",
    );
    await sanders.press("You and Alex");
    await alex.says("Dr. Sanders and Robin can see and hear you. It is your turn to speak: everybody hears you.");
    await robin.says(
      "Dr. Sanders can hear you. Dr. Sanders and Alex can see you. For now, Alex speaks and the others listen.",
    );
    await sanders.press("Everybody");
    await alex.says("Dr. Sanders and Robin can see and hear you.");
  });

  await t.test("two in one room: no sound between them, set by one of them or the therapist", async () => {
    await alex.press("More");
    await alex.checkView("more for a client");
    await alex.press("Together: no sound between");
    await until("the server says so", async () =>
      (await alex.page.locator(".choice-option[aria-pressed=true]").textContent())?.includes("Together: no sound between"),
    );
    await alex.press("Close");
    await alex.says("Dr. Sanders can hear you. Dr. Sanders and Robin can see you.");
    await chosen("Together: no sound between");
    await sanders.press("No, apart");
    await alex.says("Dr. Sanders and Robin can see and hear you.");
  });

  await t.test("a microphone is turned off for somebody, who is told and can turn it on", async () => {
    await sanders.page.locator(".person", { hasText: "Alex" }).getByText("More").click();
    await sanders.press("Turn microphone off: Alex");
    await alex.page.getByText("Your microphone was turned off by your therapist.").waitFor();
    await alex.says("Your microphone is off. Dr. Sanders and Robin can see you.");
    await alex.press("Turn microphone on");
    await alex.says("Dr. Sanders and Robin can see and hear you.");
  });

  await t.test("time that is left, and more of it", async () => {
    const ends = () => sanders.page.getByText(/Ends by itself at/).textContent();
    await sanders.page.getByText(/^(49|50) minutes left$/).waitFor();
    const before = await ends();
    await sanders.press("10 minutes more");
    await until("the end is later", async () => (await ends()) !== before);
  });

  await t.test("locked, nobody new comes in; the refusal is in words", async () => {
    await sanders.press("Lock");
    await sanders.page.getByText("Locked: nobody new comes in.").waitFor();
    const kim = await clinic.visit(session, { identity: "kim", name: "Kim", role: "client" });
    await kim.join();
    await kim.page.getByText(/The session is locked/).waitFor();
    await sanders.press("Unlock");
    await sanders.page.getByText("Open: people may come to the waiting room.").waitFor();
  });

  await t.test("back to the waiting room, and in again", async () => {
    await sanders.press("Back to the waiting room: Alex");
    await alex.isWaiting();
    await sanders.press("Let in Alex");
    await alex.isInCall();
    await Promise.all([alex.perceives(), sanders.perceives()]);
  });

  await t.test("one who is removed is out, asked for once", async () => {
    await sanders.page.locator(".person", { hasText: "Robin" }).getByText("More").click();
    await sanders.press("Remove Robin");
    await sanders.page.getByRole("dialog", { name: "Remove Robin from the session?" }).waitFor();
    await sanders.checkView("the question before removing");
    await sanders.page.getByRole("dialog").getByRole("button", { name: "Remove Robin" }).click();
    await robin.sees("You were taken out of the session");
    await sanders.says("You and Alex can hear each other.");
    const again = await clinic.visit(session, ROBIN);
    await again.join();
    await again.page.getByText(/You were not let in/).waitFor();
  });

  await t.test("a command that cannot be carried out is told in words, and changes nothing", async () => {
    const { status } = await clinic.ask("POST", `/v1/sessions/${session}/participants/robin/hold`);
    assert.ok(status >= 400);
    await sanders.says("You and Alex can hear each other.");
  });

  await t.test("the end is for everybody", async () => {
    await button(sanders.page, "End for everybody").first().click();
    await sanders.page.getByRole("dialog", { name: "Leave the session?" }).waitFor();
    await sanders.checkView("the question before ending");
    await sanders.page.getByRole("dialog").getByRole("button", { name: "End for everybody" }).click();
    await Promise.all([sanders.sees("The session has ended"), alex.sees("The session has ended")]);
    await alex.checkView("ended");
  });

  await t.test("nothing went elsewhere or wrong", () => clinic.checkClean());
});
