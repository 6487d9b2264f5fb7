// What a client has for themselves: another device, and the quick exit.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { ALEX, openClinic, openCouplesSession } from "../harness/clinic.mjs";
import { picture } from "../harness/artifacts.mjs";
import { checkAccessible } from "../harness/axe.mjs";
import { Visitor } from "../harness/visitor.mjs";
import { recordSignalling } from "../harness/silence.mjs";
import { until } from "../harness/until.mjs";

/** The empty page has the address of the other before it is the other. */
const isAway = (page, clinic) =>
  until("the page is another", async () => {
    const words = await page.evaluate(() => document.readyState === "complete" && document.body.textContent.trim());
    return page.url() === `${clinic.server.page}/away` && words !== "" && words !== false;
  });

test("going on with another device, and out of it", async (t) => {
  const { clinic, sanders, alex, robin } = await openCouplesSession(t);
  let other;

  await t.test("a code and its picture are made; the call goes on here", async () => {
    await alex.press("More");
    await alex.press("Continue on another device");
    await alex.page.getByRole("img", { name: "QR code with the link for the other device" }).waitFor();
    await alex.page.getByText(`Or open ${new URL(clinic.server.page).host} there`).waitFor();
    await alex.page.getByText("Works once, for 2 more minutes.").waitFor();
    await alex.checkView("hand-over");
    await alex.perceives();
  });

  await t.test("the code, typed on the other device, takes the seat; the first device reads so", async () => {
    const code = await alex.page.locator(".code").textContent();
    assert.match(code, /^[A-Z2-9]{5}-[A-Z2-9]{5}$/, "short enough to be typed");
    other = new Visitor(await clinic.chromium.open(`${clinic.server.page}/`), "alex", "Alex");
    await other.page.getByLabel("Session link or code").fill(` ${code.toLowerCase().replace("-", " ")} `);
    await other.press("Continue");
    await other.sees("Ready when you are, Alex");
    await other.joinCall();
    await alex.sees("You continue on your other device");
    await alex.checkView("handed over");
    await Promise.all([other.perceives(), robin.perceives(), sanders.perceives()]);
    await other.says("Dr. Sanders and Robin can see and hear you.");
    await robin.says("Dr. Sanders and Alex can see and hear you.");
    await robin.showsPicturesOf(["Alex", "Dr. Sanders"]);
  });

  await t.test("a reload on the new device comes back", async () => {
    // The one that handed over is good for that once; the server sends another soon after.
    await until("the token is an ordinary one", async () => {
      const claims = JSON.parse(Buffer.from((await other.sessionToken()).split(".")[1], "base64url"));
      return !claims.parlour.entry;
    });
    await other.page.reload();
    await other.joinCall();
    await other.perceives();
  });

  await t.test("quick exit: Escape twice, and there is nothing left on this device", async () => {
    const seenByRobin = await recordSignalling(robin.page);
    await other.page.keyboard.press("Escape");
    await other.page.keyboard.press("Escape");
    await isAway(other.page, clinic);
    const left = await other.page.evaluate(() => ({
      stored: [localStorage.length, sessionStorage.length, document.cookie],
      media: document.querySelectorAll("video, audio").length,
      words: document.documentElement.textContent,
      title: document.title,
    }));
    assert.deepEqual(left.stored, [0, 0, ""]);
    assert.equal(left.media, 0);
    assert.doesNotMatch(`${left.title} ${left.words}`, /parlour|session|therap/i);
    await checkAccessible(other.page, "the page one lands on");
    await picture(other.page, "away");
    await sanders.page.getByText("Alex left by the quick exit.").first().waitFor();
    assert.equal(await robin.page.getByText(/left by/).count(), 0, "the partner reads nothing of it");
    assert.ok(!seenByRobin.some((bytes) => /quick/i.test(bytes.toString("latin1"))));
  });

  await t.test("the way back leads nowhere", async () => {
    await other.page.goto(`${clinic.server.page}/join`);
    await other.sees("Open the link you were given");
  });

  await t.test("the partner sees, later, what a lost line looks like", async () => {
    await until("alex is gone for robin", async () => !(await robin.pictures()).includes("Alex"), 60_000);
    await robin.says("Dr. Sanders can see and hear you.");
    await robin.perceives();
  });

  await t.test("quick exit by one press, before the call too", async () => {
    await robin.page.getByRole("button", { name: /^Quick exit/ }).click();
    await isAway(robin.page, clinic);
    await sanders.page.getByText("Robin left by the quick exit.").first().waitFor();
    await sanders.page.getByText("Nobody else is here.").waitFor();
    await sanders.checkView("therapist after quick exits");
  });

  await t.test("nothing went elsewhere or wrong", () => clinic.checkClean());
});

test("a quick exit to the address that the clinic chose tells it nothing", async (t) => {
  const asked = [];
  const elsewhere = createServer((request, response) => {
    asked.push(request);
    response.writeHead(200, { "content-type": "text/html" }).end("<title>Weather</title><p>Rain later.</p>");
  });
  await new Promise((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  t.after(() => (elsewhere.closeAllConnections(), elsewhere.close()));
  const address = `http://127.0.0.1:${elsewhere.address().port}/weather`;

  const clinic = await openClinic(t, { quickExit: address });
  const session = await clinic.session();
  const alex = await clinic.visit(session, ALEX);
  await alex.join();
  await alex.isWaiting();
  await alex.page.getByRole("button", { name: /^Quick exit/ }).click();
  await alex.page.waitForURL(address);
  await alex.page.getByText("Rain later.").waitFor();

  const [{ headers, url }] = asked;
  assert.equal(url, "/weather", "no parameter says where one comes from");
  assert.equal(headers.referer, undefined);
  assert.equal(headers.cookie, undefined);
  assert.equal(await alex.page.evaluate(() => document.referrer), "");
  await alex.page.goto(`${clinic.server.page}/join`);
  await alex.sees("Open the link you were given");
  assert.deepEqual(await alex.page.evaluate(() => [localStorage.length, sessionStorage.length]), [0, 0]);
});
