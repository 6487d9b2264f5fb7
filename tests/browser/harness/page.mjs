// Verbs and checks for our own page.
import assert from "node:assert/strict";
import { until } from "./until.mjs";

export const link = (stage, identity, role) => `${stage.server.page}/join#token=${stage.tokenFor(identity, role)}`;
export const audience = (page) => page.locator(".audience").textContent();
export const button = (page, name) => page.getByRole("button", { name, exact: true });

export async function says(page, text, within = 15_000) {
  await until(`the page says: ${text}`, async () => (await audience(page)) === text, within);
}

/** Nothing is wider than the window, and what is pressed is large enough for a thumb (WCAG 2.2, 2.5.8 asks 24). A box
 * that moves is measured with fractions of a pixel. */
export async function checkFits(page) {
  const look = () =>
    page.evaluate(() => ({
      overflow: document.documentElement.scrollWidth - window.innerWidth,
      small: [...document.querySelectorAll("button")]
        .filter((element) => element.checkVisibility())
        .map((element) => [element.textContent, element.getBoundingClientRect()])
        .filter(([, box]) => box.width > 0 && (box.width < 43.5 || box.height < 43.5))
        .map(([text]) => text),
    }));
  // Pictures are arranged a frame or two after the window has changed.
  await until("nothing is wider than the window", async () => (await look()).overflow <= 0, 3_000);
  assert.deepEqual((await look()).small, [], "buttons are large enough");
}

/** It is on the screen, and nothing lies over it. */
export const inSight = (locator) =>
  until(`${locator} is in sight`, () =>
    locator.evaluate((element) => {
      const { x, y, width, height } = element.getBoundingClientRect();
      return element.contains(document.elementFromPoint(x + width / 2, y + height / 2));
    }),
  );

/** The picture of the person with this name moves. */
export async function pictureMoves(page, name) {
  const video = page.locator(".tile", { hasText: name }).locator("video");
  const frames = () => video.evaluate((element) => element.getVideoPlaybackQuality().totalVideoFrames);
  await until(`${name} is shown`, async () => (await video.count()) === 1, 30_000);
  const before = await frames();
  await until(`the picture of ${name} moves`, async () => {
    const now = await frames();
    if (now > before + 5) return true;
    throw new Error(`${before} frames shown before, ${now} now; arriving: ${JSON.stringify(await arriving(page))}`);
  }, 30_000);
}

/** What comes in of pictures, as the browser counts it. */
const arriving = (page) =>
  page.evaluate(async () => {
    const streams = [];
    for (const connection of window.connections) {
      for (const stats of (await connection.getStats()).values()) {
        if (stats.type !== "inbound-rtp" || stats.kind !== "video") continue;
        const { mid, packetsReceived, framesReceived, framesDecoded, keyFramesDecoded, pliCount, nackCount } = stats;
        streams.push({ mid, packetsReceived, framesReceived, framesDecoded, keyFramesDecoded, pliCount, nackCount });
      }
    }
    return streams;
  });

/** Through the device check. */
export async function join(page) {
  await until("the device check is ready", async () => button(page, "Join the session").isEnabled());
  await button(page, "Join the session").click();
}

export async function enterCall(page) {
  await join(page);
  await page.locator(".call").waitFor({ timeout: 20_000 });
}
