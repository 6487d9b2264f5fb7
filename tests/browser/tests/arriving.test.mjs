// From the link to the call, as a client goes: notice and consent, device check, waiting room, let in or turned away.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALEX, onNow, openClinic, ROBIN, SANDERS } from "../harness/clinic.mjs";
import { checkAccessible } from "../harness/axe.mjs";
import { button, checkFits, inSight } from "../harness/page.mjs";
import { until } from "../harness/until.mjs";
import { Visitor } from "../harness/visitor.mjs";

const CONSENT = { id: "2026-03", text: "What we tell each other stays between us.\n\nNothing is recorded." };
const BACKUP = { text: "We go on by telephone.", phone: "+47 22 00 00 00" };

test("a client comes by a link and is let in", async (t) => {
  const clinic = await openClinic(t);
  const planned = onNow();
  const session = await clinic.session({
    ...planned,
    policy: { ...planned.policy, consent: CONSENT },
    backup_plan: BACKUP,
  });
  const link = await clinic.invite(session, { identity: "kim", name: "Kim", role: "client" });
  const alex = await clinic.visit(session, ALEX);

  await t.test("first the clinic's text, in its version", async () => {
    await alex.sees("Before you begin");
    await alex.page.getByText("What we tell each other stays between us.").waitFor();
    await alex.page.getByText("Version: 2026-03").waitFor();
    assert.equal(new URL(alex.page.url()).hash, "", "the address bar holds no secret");
    await alex.press("Continue");
    await alex.page.getByText("Please tick the box if you agree.").waitFor();
    await alex.checkView("notice");
    await alex.agree();
  });

  await t.test("then devices, and who one is", async () => {
    await alex.sees("Ready when you are, Alex");
    await until("the meter moves", async () => Number(await alex.page.getByRole("meter").getAttribute("aria-valuenow")) > 5);
    // Nobody can hear anything yet: nothing may sound as if somebody did.
    await alex.page.getByText("Your microphone works.").waitFor();
    await alex.checkView("device check");
    await alex.join();
  });

  const sanders = await clinic.visit(session, SANDERS);

  await t.test("in the waiting room nobody is seen or heard, and the clinic's message is read", async () => {
    await alex.isWaiting();
    await sanders.joinCall();
    await sanders.says("Nobody can hear you: Alex is in the waiting room.");
    await sanders.page.getByText("Write to the waiting room").click();
    await sanders.page.getByLabel("Message to those who wait").fill("Two minutes, please.");
    await sanders.press("Show the message");
    await alex.page.getByText("Two minutes, please.").waitFor();
    await alex.page.getByRole("link", { name: "Call +47 22 00 00 00" }).waitFor();
    assert.equal((await alex.received()).packets, 0, "nothing arrives in the waiting room");
    await alex.checkView("waiting room", { large: true });
    await sanders.checkView("therapist with someone waiting", { large: true });
  });

  await t.test("the consent is kept with its version", async () => {
    const { body } = await clinic.ask("GET", `/v1/sessions/${session}/consents`);
    assert.match(JSON.stringify(body), /2026-03/);
  });

  await t.test("let in, the two perceive each other", async () => {
    await sanders.press("Let in Alex");
    await alex.isInCall();
    await alex.says("Dr. Sanders can see and hear you.");
    await sanders.says("You and Alex can hear each other.");
    await Promise.all([alex.perceives(), sanders.perceives()]);
    await until("focus stays near the button that is gone", () =>
      sanders.page.evaluate(() => document.activeElement?.textContent === "Waiting room"),
    );
  });

  await t.test("a reload comes back to the call without a new link", async () => {
    await alex.page.reload();
    await alex.sees("Ready when you are, Alex");
    await alex.joinCall();
    await alex.perceives();
  });

  await t.test("one who is turned away reads so, and can be allowed back", async () => {
    const robin = await clinic.visit(session, ROBIN);
    await robin.agree();
    await robin.join();
    await robin.isWaiting();
    await sanders.press("Turn away Robin");
    await robin.sees("You were not let in");
    await robin.checkView("turned away");
    await until("the list is empty", async () => (await button(sanders.page, "Let in Robin").count()) === 0);

    // A slip of the hand shuts nobody out for good.
    await robin.press("Try again");
    await robin.join();
    await robin.page.getByText(/You were not let in/).waitFor();
    await sanders.page.getByText("Turned away or removed").click();
    await sanders.checkView("therapist with someone turned away");
    await sanders.press("Allow back: Robin");
    await until("nobody is turned away", async () => (await sanders.page.getByText("Turned away or removed").count()) === 0);
    await robin.joinCall();
    await sanders.says("You, Alex, and Robin can hear each other.");
  });

  await t.test("a link works once", async () => {
    const first = await clinic.chromium.open(link);
    await first.getByRole("heading", { name: "Before you begin" }).waitFor();
    const second = await clinic.chromium.open(link);
    await second.getByRole("heading", { name: "This link does not lead to a session" }).waitFor();
    await checkAccessible(second, "a used link");
    await checkFits(second);
  });

  await t.test("nothing went elsewhere or wrong", () => clinic.checkClean());
});

test("who is early, without camera and microphone, on a phone, reads what is so without looking for it", async (t) => {
  const clinic = await openClinic(t);
  const inTwoDays = Date.now() + 2 * 86_400_000;
  const session = await clinic.session({ schedule: { starts_at_ms: inTwoDays, planned_minutes: 50, opens_minutes_before: 15 } });
  const page = await clinic.chromium.open(`${clinic.server.page}/`, { viewport: { width: 360, height: 740 } });
  await page.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  });
  await page.goto(await clinic.invite(session, ALEX));
  const day = new Intl.DateTimeFormat("en", { weekday: "long", timeZone: await zone(page) }).format(inTwoDays);
  await inSight(page.getByText(new RegExp(`^Planned for ${day}`)));
  await inSight(page.getByText(/^The browser was not allowed to use your camera or microphone/));
  await inSight(button(page, "Join the session"));
  const alex = new Visitor(page, "alex", "Alex");
  await alex.checkView("device check without devices");
  await alex.join();
  await inSight(page.getByText(/^The session is not open yet/));
  await alex.checkView("too early");
  await clinic.checkClean();
});

test("who has a camera and no microphone reads that something is missing", async (t) => {
  const clinic = await openClinic(t);
  const page = await clinic.chromium.open(`${clinic.server.page}/`);
  await page.addInitScript(() => {
    const media = navigator.mediaDevices;
    const ask = media.getUserMedia.bind(media);
    media.getUserMedia = (wanted) => (wanted.audio ? Promise.reject(new DOMException("no", "NotFoundError")) : ask(wanted));
  });
  await page.goto(await clinic.invite(await clinic.session(), ALEX));
  await until("the camera picture moves", () =>
    page.locator("video").evaluate((video) => video.getVideoPlaybackQuality().totalVideoFrames > 5),
  );
  await inSight(page.getByText(/^No camera or microphone was found/));
  await clinic.checkClean();
});

const zone = (page) => page.evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone);

test("the way in, in each language", async (t) => {
  const clinic = await openClinic(t);
  const session = await clinic.session({ policy: { consent: CONSENT } });
  for (const { locale, notice, ready, waiting } of [
    { locale: "fr", notice: "Avant de commencer", ready: "Quand vous serez prêt·e, Alex", waiting: "Vous êtes dans la salle d’attente" },
    { locale: "nb", notice: "Før du begynner", ready: "Klar når du er det, Alex", waiting: "Du er på venterommet" },
  ]) {
    const alex = await clinic.visit(session, { ...ALEX, identity: `alex-${locale}` }, { locale });
    await alex.sees(notice);
    await alex.page.getByRole("checkbox").check();
    await alex.page.locator("form .primary").click();
    await alex.sees(ready);
    await until("the device check is ready", () => alex.page.locator(".join .primary").isEnabled());
    await alex.page.locator(".join .primary").click();
    await alex.sees(waiting);
    assert.equal(await alex.page.evaluate(() => document.documentElement.lang), locale);
    await alex.checkView(`waiting room in ${locale}`);
  }
  await clinic.checkClean();
});

test("a session held in text needs no devices, and its words pass no seal", async (t) => {
  const clinic = await openClinic(t);
  const session = await clinic.session({ modality: "text" });
  const sanders = await clinic.visit(session, SANDERS);
  await sanders.joinCall();
  const come = async (person) => {
    const visitor = await clinic.visit(session, person);
    await visitor.join();
    await visitor.isWaiting();
    await sanders.press(`Let in ${person.name}`);
    await visitor.isInCall();
    return visitor;
  };
  const alex = await come(ALEX);
  const robin = await come(ROBIN);
  const write = async (visitor, text) => {
    await visitor.page.getByLabel("Write a message").fill(text);
    await visitor.press("Send");
  };
  const reads = (visitor, text) => visitor.page.getByRole("log").getByText(text).waitFor();

  await sanders.says("You, Alex, and Robin can read each other.");
  await write(alex, "Good evening <b>both</b>");
  await Promise.all([reads(sanders, "Good evening <b>both</b>"), reads(robin, "Good evening <b>both</b>")]);
  await alex.checkView("a session in text");
  assert.equal(await alex.page.evaluate(() => document.querySelectorAll("video, audio").length), 0);

  await sanders.press("Talk in private with Alex");
  await robin.isOnHold();
  await sanders.says("Only you and Alex can read each other. Robin is on hold: sees and hears nobody.");
  await write(alex, "only for you");
  await reads(sanders, "only for you");
  // What is begun in private and sent after it is not sent to more people unasked.
  await alex.page.getByLabel("Write a message").fill("between us");
  await sanders.press("Back together");
  await robin.isInCall();
  await write(robin, "here I am");
  await Promise.all([reads(alex, "here I am"), reads(sanders, "here I am")]);
  await alex.press("Send");
  await alex.page.getByText("Robin came while you were writing and will read this too. Send it?").waitFor();
  await alex.checkView("a question before more people read it");
  await alex.press("Not yet");
  assert.equal(await alex.page.evaluate(() => document.activeElement?.id), "chat-text");
  assert.equal(await alex.page.getByLabel("Write a message").inputValue(), "between us");
  await alex.press("Send");
  await alex.press("Send to everybody here");
  await Promise.all([reads(robin, "between us"), reads(sanders, "between us")]);
  assert.equal(await alex.page.getByLabel("Write a message").inputValue(), "");
  await write(sanders, "together again");
  await reads(robin, "together again");
  assert.equal(await robin.page.getByText("only for you").count(), 0, "what was sealed stays sealed");
  await clinic.checkClean();
});

test("a session held in sound asks for no camera and speaks of none", async (t) => {
  const clinic = await openClinic(t);
  const session = await clinic.session({ modality: "audio" });
  const sanders = await clinic.visit(session, SANDERS);
  const alex = await clinic.visit(session, ALEX);
  await alex.sees("Ready when you are, Alex");
  await alex.page.getByRole("combobox", { name: /^Microphone/ }).waitFor();
  await until("devices are ready", () => button(alex.page, "Join the session").isEnabled());
  assert.equal(await alex.page.locator("video").count(), 0, "no picture of oneself");
  assert.equal(await alex.page.getByText("Camera", { exact: true }).count(), 0, "no camera to choose");
  await alex.checkView("device check for sound");

  await sanders.joinCall();
  await alex.join();
  await sanders.press("Let in Alex");
  await alex.isInCall();
  await alex.says("Dr. Sanders can hear you.");
  await sanders.says("You and Alex can hear each other.");
  const hears = (visitor) => until(`${visitor.name} hears`, async () => (await visitor.received()).energy > 0, 30_000);
  await Promise.all([hears(alex), hears(sanders)]);
  for (const visitor of [alex, sanders]) {
    assert.equal((await visitor.received()).frames, 0, "no picture arrives");
    assert.equal(await visitor.page.locator("video").count(), 0);
    for (const name of ["Turn camera on", "Turn camera off", "Share your screen"]) {
      assert.equal(await button(visitor.page, name).count(), 0, name);
    }
    // The keys that would are silent as well.
    await visitor.page.keyboard.press("c");
    assert.doesNotMatch(await visitor.page.locator("main").textContent(), /camera/i);
  }
  assert.ok(await alex.page.evaluate(() => window.connections.every((one) => one.getSenders().every(({ track }) => track?.kind !== "video"))));
  await alex.checkView("a session in sound");
  await clinic.checkClean();
});
