// How long joining takes a person: from the click on "Join" to the first decoded frame of somebody who is there already,
// in our own page, everything on this machine. Each join is a new browser context, as on a person's first visit.
//
//     node bench/join.mjs [--joins 11] [--json FILE]
//
// Prints the median and the slowest, in milliseconds. Not a test: a loaded machine makes it say anything.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { launchChromium } from "../harness/browsers.mjs";
import { button } from "../harness/page.mjs";
import { startServer } from "../harness/server.mjs";
import { token } from "../harness/token.mjs";
import { until } from "../harness/until.mjs";

const { values } = parseArgs({ options: { joins: { type: "string", default: "11" }, json: { type: "string" } } });
const SESSION = "bench-join";
/** Longer than any join that works. */
const PATIENCE_MS = 20_000;

const server = await startServer();
const chromium = await launchChromium();
const link = (identity, role) => `${server.page}/join#token=${token({ session: SESSION, identity, role })}`;

async function ready(identity, role) {
  const page = await chromium.open(link(identity, role));
  await until("the device check is ready", () => button(page, "Join the session").isEnabled());
  return page;
}

/** Runs in the page: clicks, and looks at every display frame whether another person's picture has moved. */
async function clickAndSee(patience) {
  const join = [...document.querySelectorAll("button")].find(({ textContent }) => textContent === "Join the session");
  const started = performance.now();
  join.click();
  for (;;) {
    const now = await new Promise(requestAnimationFrame).then(() => performance.now());
    const pictures = [...document.querySelectorAll(".tile:not(.tile-corner) video")];
    const isSeen = pictures.some((video) => video.srcObject && video.getVideoPlaybackQuality().totalVideoFrames > 0);
    if (isSeen && document.querySelector(".tile-corner")) return now - started;
    if (now - started > patience) throw new Error("no picture");
  }
}

try {
  const there = await ready("therapist", "therapist");
  await button(there, "Join the session").click();
  await there.locator(".call").waitFor();
  const took = [];
  for (let index = 0; index < Number(values.joins); index += 1) {
    const page = await ready(`client-${index}`, "client");
    took.push(await page.evaluate(clickAndSee, PATIENCE_MS));
    await page.goto("about:blank");
    await page.context().close();
    await until("the seat is free", async () => (await there.locator(".tile-corner").count()) === 0);
  }
  took.sort((a, b) => a - b);
  const result = {
    joins: took.length,
    p50_ms: Math.round(took[Math.floor((took.length - 1) / 2)]),
    max_ms: Math.round(took.at(-1)),
    all_ms: took.map(Math.round),
  };
  console.log(JSON.stringify(result));
  if (values.json) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
} finally {
  await chromium.close();
  await server.stop();
}
