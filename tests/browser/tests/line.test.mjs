// The connection test before the session: what it says, to whom, and that nothing waits for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALEX, openClinic, ROBIN, SANDERS } from "../harness/clinic.mjs";
import { button } from "../harness/page.mjs";
import { until } from "../harness/until.mjs";

const BACKUP = { text: "We go on by telephone.", phone: "+47 22 00 00 00" };

/** What a page says of its line, and what its therapist then reads. How good the line is, the machine decides. */
const SAID = {
  "Your connection is good for sound and picture.": "Connection tested: good",
  "Your connection is good for sound. The picture will be simpler at times.":
    "Connection tested: good for sound, simpler picture",
  "Your connection is very weak. Even sound may break up.": "Connection tested: very weak, have the telephone ready",
  "Your connection is weak. Sound will do, but pictures may pause.": "Connection tested: weak, pictures may pause",
};

const isKnown = ({ page }) => page.locator('.line-test[data-line="known"]').waitFor({ timeout: 30_000 });

test("a client's line is tested before the session", async (t) => {
  const clinic = await openClinic(t);
  const session = await clinic.session({ backup_plan: BACKUP });
  const alex = await clinic.visit(session, ALEX);
  let said;

  await t.test("by itself, both ways, and in plain words", async () => {
    await alex.page.locator('.line-test[data-line="running"]').waitFor();
    await alex.checkView("line test running");
    await isKnown(alex);
    said = await alex.page.locator(".line-verdict").textContent();
    assert.ok(said in SAID, said);
    await alex.page.getByText("Figures").click();
    const figures = await alex.page.locator(".line-test details p").textContent();
    const [, down, up] = /To you ([\d.]+)\sMbit\/s, from you ([\d.]+)\sMbit\/s/.exec(figures) ?? [];
    assert.ok(Number(down) > 0.2 && Number(up) > 0.2, figures);
    await alex.checkView("line test known");
  });

  await t.test("its therapist reads it beside who waits", async () => {
    await alex.join();
    await alex.isWaiting();
    const sanders = await clinic.visit(session, SANDERS);
    await sanders.joinCall();
    await sanders.page.getByText(SAID[said], { exact: true }).waitFor();
    await sanders.checkView("therapist with a tested line waiting");
  });

  await t.test("whoever joins meanwhile comes in at once", async () => {
    const robin = await clinic.visit(session, ROBIN);
    await robin.page.locator('.line-test[data-line="running"]').waitFor();
    await robin.join();
    await robin.isWaiting();
    await until("its connection is closed", () =>
      robin.page.evaluate(() => window.connections.filter((one) => one.connectionState !== "closed").length <= 1),
    );
  });

  await t.test("strangers, others and nonsense are refused", async () => {
    const token = await alex.sessionToken();
    const ask = (method, path, body, key = token) => clinic.ask(method, path, body, key);
    const offer = { offer: "v=0" };
    const result = { verdict: "good", down_kbps: 1, up_kbps: 1, loss_percent: 0, jitter_ms: 1, round_trip_ms: 1 };
    assert.equal((await ask("POST", "/rtc/line-test", offer, "nobody")).status, 401);
    assert.equal((await ask("GET", "/rtc/line-tests")).status, 403, "a client reads nobody's line");
    assert.equal((await ask("POST", "/rtc/line-test", offer)).status, 400);
    assert.equal((await ask("POST", "/rtc/line-test", { offer: "v=0", more: 1 })).status, 400);
    assert.equal((await ask("POST", "/rtc/line-test", { offer: "x".repeat(20_000) })).status, 400);
    assert.equal((await ask("PUT", "/rtc/line-test", { ...result, loss_percent: 101 })).status, 400);
    assert.equal((await ask("PUT", "/rtc/line-test", { ...result, name: "Alex" })).status, 400);
    const statuses = [];
    for (let number = 0; number < 8; number += 1) statuses.push((await ask("POST", "/rtc/line-test", offer)).status);
    assert.equal(statuses.at(-1), 429, `one person tests so often only: ${statuses}`);
  });

  await t.test("nothing went elsewhere or wrong", () => clinic.checkClean());
});

test("a network that closes the way of media is told so, and what to do", async (t) => {
  // Media is announced where nobody is (RFC 5737): what a firewall makes of it.
  const clinic = await openClinic(t, { advertise: ["203.0.113.9"] });
  const session = await clinic.session({ backup_plan: BACKUP });
  const alex = await clinic.visit(session, ALEX);
  await isKnown(alex);
  assert.match(await alex.page.locator(".line-verdict").textContent(), /^Your network does not let sound and picture through/);
  await alex.page.getByRole("link", { name: "Call +47 22 00 00 00" }).waitFor();
  await alex.checkView("line test blocked");
  assert.ok(await button(alex.page, "Join the session").isEnabled(), "nobody is kept from trying");
  await button(alex.page, "Test again").waitFor();
});
