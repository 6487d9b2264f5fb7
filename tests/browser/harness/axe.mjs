// Accessibility of what is on screen, by axe-core. The page's own policy forbids scripts, so it comes in from outside.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Colours on their way from one to another have no contrast to speak of; what goes on for ever is not waited for. */
const settled = async () => {
  const passing = document.getAnimations().filter((one) => one.effect?.getComputedTiming().endTime !== Infinity);
  await Promise.allSettled(passing.map((one) => one.finished));
};

const violations = async (tags) =>
  (await window.axe.run(document, { runOnly: tags })).violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`,
  );

/** Fails with each violation and where it is. A notice may begin to appear while axe looks: what is wrong is looked at again. */
export async function checkAccessible(page, what) {
  await page.evaluate(source);
  let found = [];
  for (let look = 0; look < 3; look += 1) {
    await page.evaluate(settled);
    found = await page.evaluate(violations, TAGS);
    if (found.length === 0) return;
  }
  assert.deepEqual(found, [], `${what} is accessible`);
}
