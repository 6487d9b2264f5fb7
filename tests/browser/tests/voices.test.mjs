// A therapist leads a couples session from the page: who is heard, who sits together, time, door and end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DataPacket_Kind, RoomServiceClient, TrackType } from "livekit-server-sdk";
import { checkAccessible } from "../harness/axe.mjs";
import { ALEX, onNow, openCouplesSession, ROBIN } from "../harness/clinic.mjs";
import { button, inSight } from "../harness/page.mjs";
import { API_KEY, API_SECRET } from "../harness/token.mjs";
import { until } from "../harness/until.mjs";

/** Of speech that a page sends, in the mean of some hundred packets. */
async function bytesOfAPacket(visitor) {
  const sent = () =>
    visitor.page.evaluate(async () => {
      for (const connection of window.connections) {
        for (const stats of (await connection.getStats()).values()) {
          if (stats.type === "outbound-rtp" && stats.kind === "audio") return [stats.bytesSent, stats.packetsSent];
        }
      }
    });
  const [bytes, packets] = await sent();
  return until("speech is sent", async () => {
    const [now, count] = await sent();
    return count > packets + 100 && (now - bytes) / (count - packets);
  });
}

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

  await t.test("speech is made plainer while the server asks for it", async () => {
    const rooms = new RoomServiceClient(clinic.server.page, API_KEY, API_SECRET);
    const { tracks } = await rooms.getParticipant(session, "alex");
    const track = tracks.find(({ type }) => type === TrackType.AUDIO).sid;
    const ask = (max_bitrate) =>
      rooms.sendData(session, Buffer.from(JSON.stringify({ track, max_bitrate })), DataPacket_Kind.RELIABLE, {
        destinationIdentities: ["alex"],
        topic: "parlour.speech",
      });
    const whole = await bytesOfAPacket(alex);
    await ask(16_000);
    let narrow;
    await until("packets get smaller", async () => (narrow = await bytesOfAPacket(alex)) < 0.6 * whole);
    await ask(null);
    await until("packets grow again", async () => (await bytesOfAPacket(alex)) > 1.3 * narrow);
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
    await sanders.page.locator(".time-left", { hasText: /^(4\d|50) minutes left$/ }).waitFor();
    const before = await ends();
    await sanders.press("10 minutes more");
    await until("the end is later", async () => (await ends()) !== before);
  });

  await t.test("locked, nobody new comes in; the refusal is in words", async () => {
    await sanders.press("Lock");
    await sanders.page.getByText("Locked: nobody new comes in.").waitFor();
    const phone = { viewport: { width: 360, height: 740 } };
    const kim = await clinic.visit(session, { identity: "kim", name: "Kim", role: "client" }, phone);
    await kim.join();
    await inSight(kim.page.getByText(/The session is locked/));
    await kim.checkView("a locked door");
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

  await t.test("the end is for everybody, and for who comes later", async () => {
    const late = await clinic.invite(session, ALEX);
    await button(sanders.page, "End for everybody").first().click();
    await sanders.page.getByRole("dialog", { name: "Leave the session?" }).waitFor();
    await sanders.checkView("the question before ending");
    await sanders.page.getByRole("dialog").getByRole("button", { name: "End for everybody" }).click();
    await Promise.all([sanders.sees("The session has ended"), alex.sees("The session has ended")]);
    await alex.checkView("ended");
    const page = await clinic.chromium.open(late);
    await page.getByRole("heading", { name: "The session has ended" }).waitFor();
    await checkAccessible(page, "a link to what has ended");
    assert.equal(await page.getByText("Each link works once").count(), 0, "it is not the link that is wrong");
  });

  await t.test("nothing went elsewhere or wrong", () => clinic.checkClean());
});
