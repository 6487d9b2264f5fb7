// The page's arithmetic and texts, without a browser.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { build } from "esbuild";

const client = new URL("../../../crates/web/client/src/", import.meta.url);

async function load(name) {
  const { outputFiles } = await build({
    entryPoints: [new URL(name, client).pathname],
    bundle: true,
    format: "esm",
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

const { grid, fit, arrangement } = await load("layout.ts");
const { readTicket } = await load("ticket.ts");

const STAGES = [];
for (const width of [320, 336, 600, 740, 1024, 1256, 1900, 3816]) {
  for (const height of [200, 320, 560, 650, 900, 2000]) STAGES.push({ width, height });
}

test("tiles of up to twelve people fit the stage", () => {
  for (const stage of STAGES) {
    for (let count = 1; count <= 12; count += 1) {
      const { columns, rows, tile } = grid(stage, count, 12);
      const where = `${count} on ${stage.width} x ${stage.height}`;
      assert.ok(columns * rows >= count, where);
      assert.ok(columns * tile.width + (columns - 1) * 12 <= stage.width, `${where}: too wide`);
      assert.ok(rows * tile.height + (rows - 1) * 12 <= stage.height, `${where}: too high`);
      assert.ok(tile.width > 0 && tile.height > 0, where);
    }
  }
});

test("tiles keep the shape of a face or a couple", () => {
  for (const stage of STAGES) {
    for (let count = 2; count <= 6; count += 1) {
      const { tile } = grid(stage, count, 12);
      const aspect = tile.width / tile.height;
      // Whole pixels move the shape of small tiles a little.
      assert.ok(aspect > 1.28 && aspect < 1.85, `${count} on ${stage.width} x ${stage.height}: ${aspect}`);
    }
  }
});

test("two people are beside each other on wide stages and above each other on upright ones", () => {
  assert.equal(grid({ width: 1256, height: 650 }, 2, 12).columns, 2);
  assert.equal(grid({ width: 336, height: 560 }, 2, 12).columns, 1);
});

test("pictures fill their tile only when little is lost", () => {
  const wide = { width: 1280, height: 720 };
  assert.equal(fit(wide, { width: 640, height: 480 }), "cover");
  assert.equal(fit(wide, { width: 500, height: 500 }), "contain");
  assert.equal(fit({ width: 720, height: 1280 }, { width: 640, height: 480 }), "contain");
});

test("a shared screen is dominant whoever is there", () => {
  assert.equal(arrangement({ width: 1256, height: 650 }, 0, 1), "screen-beside");
  assert.equal(arrangement({ width: 336, height: 560 }, 5, 1), "screen-above");
  assert.equal(arrangement({ width: 336, height: 560 }, 0, 0), "alone");
});

test("a ticket is read with any letters in its name, and junk is refused", () => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const ticket = readTicket(`${part({})}.${part({ name: "Åsa Çelik 李", parlour: { role: "client" } })}.x`);
  assert.deepEqual([ticket.name, ticket.role], ["Åsa Çelik 李", "client"]);
  for (const junk of ["", "a.b", "a.b.c", `${part({})}.${part(null)}.x`, `x.${"A".repeat(9000)}.y`]) {
    assert.equal(readTicket(junk), null, junk.slice(0, 20));
  }
});

test("every language has every text with the same places to fill", () => {
  const folder = new URL("texts/", client);
  const read = (name) => JSON.parse(readFileSync(new URL(name, folder), "utf8"));
  const places = (text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
  const english = read("en.json");
  for (const file of readdirSync(folder)) {
    const texts = read(file);
    assert.deepEqual(Object.keys(texts).sort(), Object.keys(english).sort(), file);
    for (const [key, text] of Object.entries(texts)) {
      assert.deepEqual(places(text), places(english[key]), `${file}: ${key}`);
    }
  }
});
