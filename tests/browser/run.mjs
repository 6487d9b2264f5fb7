// Runs the test files one after the other (browsers would starve each other on two cores) and prints how long each
// test took. Arguments name files to run: `node run.mjs three page`.
import { spec } from "node:test/reporters";
import { run } from "node:test";
import { readdirSync } from "node:fs";

const here = new URL("tests/", import.meta.url);
const wanted = process.argv.slice(2);
const files = readdirSync(here)
  .filter((name) => name.endsWith(".test.mjs"))
  .filter((name) => wanted.length === 0 || wanted.some((word) => name.startsWith(word)))
  .sort()
  .map((name) => new URL(name, here).pathname);

if (files.length === 0) {
  console.error(`no test file begins with: ${wanted.join(", ")}`);
  process.exit(2);
}

const started = performance.now();
const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(1)} s`;
const timings = [];

run({ files, concurrency: 1, timeout: 240_000 })
  .on("test:fail", () => (process.exitCode = 1))
  .on("test:complete", ({ name, nesting, details }) => {
    if (nesting <= 1 && !name.endsWith(".mjs")) timings.push({ name: "  ".repeat(nesting) + name, took: details.duration_ms });
  })
  .on("end", () => {
    console.log("\ntimings");
    for (const { name, took } of timings) console.log(`${seconds(took).padStart(9)}  ${name}`);
    console.log(`${seconds(performance.now() - started).padStart(9)}  in all`);
  })
  .compose(new spec())
  .pipe(process.stdout);
