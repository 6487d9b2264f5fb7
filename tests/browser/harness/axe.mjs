// Accessibility of what is on screen, by axe-core. The page's own policy forbids scripts, so it comes in from outside.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Fails with each violation and where it is. */
export async function checkAccessible(page, what) {
  await page.evaluate(source);
  const violations = await page.evaluate(
    async (tags) =>
      (await window.axe.run(document, { runOnly: tags })).violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`,
      ),
    TAGS,
  );
  assert.deepEqual(violations, [], `${what} is accessible`);
}
