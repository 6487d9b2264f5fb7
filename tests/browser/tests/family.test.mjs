// A family session, held in sound so that four browsers fit two cores: a private conversation with some of several, and
// rooms that several share, each asked once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALEX, openClinic, ROBIN, SANDERS } from "../harness/clinic.mjs";
import { button, inSight } from "../harness/page.mjs";
import { holds, until } from "../harness/until.mjs";

const KIM = { identity: "kim", name: "Kim", role: "client" };
const ALL = "You, Alex, Kim, and Robin can hear each other.";

async function openFamilySession(t) {
  const clinic = await openClinic(t);
  const session = await clinic.session({ kind: "family", modality: "audio" });
  const sanders = await clinic.visit(session, SANDERS);
  await sanders.joinCall();
  const family = [];
  for (const person of [ALEX, KIM, ROBIN]) {
    const visitor = await clinic.visit(session, person);
    await visitor.join();
    await visitor.isWaiting();
    await sanders.press(`Let in ${person.name}`);
    await visitor.isInCall();
    family.push(visitor);
  }
  await sanders.says(ALL);
  return { clinic, session, sanders, family };
}

/** The pairs in one room, as the server tells the therapist. */
async function pairs(clinic, session, sanders) {
  const { body } = await clinic.ask("GET", `/v1/sessions/${session}/view`, undefined, await sanders.sessionToken());
  return body.same_room.map(({ a, b, how }) => `${[a, b].sort().join(" ")} ${how}`).sort();
}

test("a family and their therapist", async (t) => {
  const { clinic, session, sanders, family } = await openFamilySession(t);
  const [alex, kim, robin] = family;
  const dialog = sanders.page.getByRole("dialog");
  const status = dialog.getByRole("status");
  const arePaired = (expected) =>
    until(`the pairs are ${expected.join(", ")}`, async () => {
      const now = await pairs(clinic, session, sanders);
      if (now.join() === expected.join()) return true;
      throw new Error(now.join());
    });

  await t.test("some of several are chosen by keyboard, and it is said before who will hear whom and who waits", async () => {
    await button(sanders.page, "Talk in private with several").focus();
    await sanders.page.keyboard.press("Enter");
    await dialog.waitFor();
    await status.getByText("Choose with whom. Until you begin, nothing changes for anybody.").waitFor();
    await button(dialog, "Begin").focus();
    await sanders.page.keyboard.press("Enter");
    await until("focus is at the first of them", () => dialog.getByLabel("Alex").evaluate((box) => box === document.activeElement));
    await sanders.page.keyboard.press("Space");
    await sanders.page.keyboard.press("Tab");
    await sanders.page.keyboard.press("Space");
    await until("it is said", async () =>
      (await status.locator("p").allTextContents()).join(" ") ===
        "Only you, Alex, and Kim will hear each other. Robin waits, and sees and hears nobody until you are back together.",
    );
    await sanders.says(ALL);
    await sanders.checkView("choosing several for a private conversation");
  });

  await t.test("it begins with those who were chosen, and the other one waits", async () => {
    await dialog.getByLabel("Kim").focus();
    await sanders.page.keyboard.press("Enter");
    await robin.isOnHold();
    await sanders.page.getByRole("heading", { name: "Private conversation with Alex and Kim" }).waitFor();
    await sanders.page.getByText(/Confirmed by the server at/).waitFor();
    await sanders.says("Only you, Alex, and Kim can hear each other. Robin is on hold: sees and hears nobody.");
    await alex.says("Dr. Sanders and Kim can hear you. This is a private conversation.");
    await kim.says("Dr. Sanders and Alex can hear you. This is a private conversation.");
    await inSight(button(sanders.page, "Back together"));
    await sanders.checkView("private conversation with several");
    await sanders.press("Back together");
    await robin.isInCall();
    await sanders.says(ALL);
    await alex.says("Dr. Sanders, Kim, and Robin can hear you.");
    await holds("it is not asked for again", async () => (await dialog.count()) === 0, 600);
  });

  await t.test("a client is asked once who shares their room, and speaks for nobody else", async () => {
    const question = alex.page.getByRole("group", { name: /same room/ });
    const isChosen = (name, chosen) => question.getByRole("button", { name, exact: true, pressed: chosen }).waitFor();
    await alex.press("More");
    await Promise.all(["Kim", "Robin"].map((name) => isChosen(name, false)));
    assert.equal(await question.count(), 1, "one question, not one for each");
    await alex.checkView("more in a family");
    await alex.press("Kim");
    await arePaired(["alex kim audio"]);
    await alex.press("Robin");
    await arePaired(["alex kim audio", "alex robin audio"]);
    // A press takes back what the page shows as chosen, and it is told a moment after the server has it.
    await isChosen("Kim", true);
    await alex.press("Kim");
    await arePaired(["alex robin audio"]);
    await alex.press("Close");
    await alex.says("Dr. Sanders and Kim can hear you.");
  });

  await t.test("a therapist says a whole room at once, and takes it back", async () => {
    await sanders.page.getByText("Alex and Robin are in one room: no sound between them.").waitFor();
    await sanders.press("Change: Alex and Robin in one room");
    await dialog.getByLabel("Kim").check();
    await until("it is said", async () =>
      (await status.textContent()) === "Between Alex, Kim, and Robin no sound will pass. They hear each other in the room.",
    );
    await sanders.checkView("who shares a room");
    await button(dialog, "Apply").click();
    await arePaired(["alex kim audio", "alex robin audio", "kim robin audio"]);
    await Promise.all(family.map((person) => person.says("Dr. Sanders can hear you.")));
    await sanders.press("Change: Alex, Kim, and Robin in one room");
    for (const name of ["Alex", "Kim", "Robin"]) await dialog.getByLabel(name).uncheck();
    await button(dialog, "Apply").click();
    await arePaired([]);
    await alex.says("Dr. Sanders, Kim, and Robin can hear you.");
  });

  await t.test("a room of which some said so only is shown as what it is", async () => {
    await kim.press("More");
    await kim.press("Alex");
    await kim.press("Robin");
    await sanders.page.getByText("Alex, Kim, and Robin are in one room: no sound between them.").waitFor();
    await sanders.page.getByText("Some of them still hear each other over the call.").waitFor();
    await kim.press("Close");
  });

  await t.test("nothing went elsewhere or wrong", () => clinic.checkClean());
});
