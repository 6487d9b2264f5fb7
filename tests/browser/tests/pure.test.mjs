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
    // Vite's way of finding the other languages; here English is enough.
    define: { "import.meta.glob": "noFiles" },
    banner: { js: "const noFiles = () => ({});" },
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

const { grid, fit, arrangement } = await load("layout.ts");
const { parseLink, readTicket, handOverLink } = await load("ticket.ts");
const { EventParser } = await load("sse.ts");
const { standing, foreseen } = await load("standing.ts");
const { rooms, changes } = await load("rooms.ts");
const { stillThere, unmeant } = await load("readers.ts");
const { Frames, framesOf } = await load("frames.ts");
const { qrPath } = await load("qr.ts");
const { Load, Arrivals } = await load("line/load.ts");
const { Beats } = await load("line/beats.ts");
const { verdict, advice } = await load("line/verdict.ts");
const { read, write, micros } = await load("line/wire.ts");
const { Carried, isMissing } = await load("carried.ts");

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

test("a link, a token and a bare code are told apart, and nothing else is taken", () => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = `${part({})}.${part({ sub: "a", video: { room: "r" } })}.x`;
  assert.deepEqual(pick(parseLink("https://clinic.example/join#ticket=tk_abc&key=k")), { secret: "tk_abc", key: "k" });
  assert.deepEqual(pick(parseLink(" tk_abcdefghijklmnop ")), { secret: "tk_abcdefghijklmnop", key: null });
  for (const code of ["ABCDE-FGH23", "abcde fgh23", " abcdefgh23 "]) assert.deepEqual(pick(parseLink(code)), { secret: code.trim(), key: null });
  assert.deepEqual(pick(parseLink(`#token=${token}`)), { session: "r", identity: "a", key: null });
  for (const junk of ["", "hello", "https://clinic.example/", "https://clinic.example/join#", "ABCDE-FGH2", "ABCDE-FGH0I", "two words of text here"]) {
    assert.equal(parseLink(junk), null, junk);
  }

  function pick({ secret, session, identity, key }) {
    return secret ? { secret, key } : { session, identity, key };
  }
});

test("events come out whole, however the line cuts them, and heartbeats do not", () => {
  const text = 'event: view\ndata: {"a":1}\n\n: still here\n\nevent: view\ndata: one\ndata: two\n\n';
  const whole = [
    { name: "view", data: '{"a":1}' },
    { name: "view", data: "one\ntwo" },
  ];
  for (let size = 1; size <= text.length; size += 1) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
    assert.deepEqual(events, whole, `in pieces of ${size}`);
  }
});

test("an event without end is given up, not collected", () => {
  const parser = new EventParser();
  assert.throws(() => {
    for (;;) parser.push("x".repeat(10_000));
  }, /too long/);
});

test("a picture of the longest link has its finder patterns and quiet zone", () => {
  globalThis.location = { origin: "https://calls.a-long-clinic-name.example.org" };
  const { size, path } = qrPath(handOverLink(`tk_${"A".repeat(300)}`, "k".repeat(44)));
  const dark = new Set([...path.matchAll(/M(\d+) (\d+)h/g)].map(([, x, y]) => `${x} ${y}`));
  for (const [x, y] of [[4, 4], [size - 5, 4], [4, size - 5]]) assert.ok(dark.has(`${x} ${y}`), `a corner at ${x} ${y}`);
  for (let at = 0; at < size; at += 1) assert.ok(!dark.has(`${at} 3`) && !dark.has(`3 ${at}`), "the quiet zone is light");
});

const ALEX = { identity: "alex", name: "Alex", role: "client" };
const ROBIN = { identity: "robin", name: "Robin", role: "client" };
const SANDERS = { identity: "sanders", name: "Dr. Sanders", role: "therapist" };
const inside = (person, more = {}) => ({ ...person, place: "main", check_in: null, line: "up", held: false, ...more });

function said(me, { others = [], view = {}, ...reach } = {}) {
  const place = view.place ?? "main";
  return standing(
    {
      session: { modality: "video" },
      me: { identity: me.identity, role: me.role, place },
      same_room: [],
      floor: { mode: "open" },
      ...view,
    },
    { connection: "connected", microphone: true, camera: true, others, ...reach },
  );
}

test("a therapist reads in words who hears whom, in every state", () => {
  const lead = (people, more = {}) => said(SANDERS, { view: { people: [inside(SANDERS), ...people], ...more } });
  const held = { place: "hold", held: true };
  const cases = [
    [lead([]).lead, "Nobody can hear you: you are alone in the session."],
    [lead([inside(ALEX, { place: "waiting" })]).lead, "Nobody can hear you: Alex is in the waiting room."],
    [lead([inside(ALEX, held)]).lead, "Nobody can hear you: Alex is on hold."],
    [lead([inside(ALEX), inside(ROBIN)]).lead, "You, Alex, and Robin can hear each other."],
    [lead([inside(ALEX), inside(ROBIN, held)]).lead, "Only you and Alex can hear each other."],
    [lead([inside(ALEX), inside(ROBIN, held)]).rest.join(), "Robin is on hold: sees and hears nobody."],
    [lead([inside(ALEX), inside(ROBIN, { line: "lost" })]).lead, "Only you and Alex can hear each other."],
    [lead([inside(ALEX), inside(ROBIN, { line: "lost" })]).rest.join(), "The connection of Robin is interrupted."],
    [
      lead([inside(ALEX), inside(ROBIN)], { floor: { mode: "therapist_only" } }).lead,
      "Everybody hears only you. You hear Alex and Robin.",
    ],
    [
      lead([inside(ALEX), inside(ROBIN)], { floor: { mode: "one_voice", identity: "alex" } }).lead,
      "Everybody hears you and Alex. The others are heard only by you.",
    ],
  ];
  for (const [words, expected] of cases) assert.equal(words, expected);
});

test("with two therapists the words are true of both", () => {
  const berg = { identity: "berg", name: "Dr. Berg", role: "therapist" };
  const lead = (floor, more = []) =>
    said(SANDERS, { view: { people: [inside(SANDERS), inside(ALEX), inside(berg), inside(ROBIN), ...more], floor } }).lead;
  const onlyThem = "Everybody hears only you and Dr. Berg. Alex and Robin are heard only by you and Dr. Berg.";
  assert.equal(lead({ mode: "open" }), "You, Alex, Dr. Berg, and Robin can hear each other.");
  assert.equal(lead({ mode: "therapist_only" }), onlyThem);
  assert.equal(
    lead({ mode: "one_voice", identity: "alex" }),
    "Everybody hears you, Dr. Berg, and Alex. The others are heard only by you and Dr. Berg.",
  );
  const kim = { identity: "kim", name: "Kim", role: "client" };
  assert.equal(lead({ mode: "one_voice", identity: "kim" }, [inside(kim, { place: "hold" })]), onlyThem);
  const elsewhere = { place: "check_in", check_in: 2 };
  const apart = [inside(SANDERS), inside(ALEX), inside(berg, elsewhere), inside(ROBIN), inside(kim, elsewhere)];
  assert.equal(
    said(SANDERS, { view: { people: apart, floor: { mode: "therapist_only" } } }).lead,
    "Everybody hears only you. You hear Alex and Robin.",
    "a therapist in a conversation of their own hears nothing of this one",
  );
  const client = said(ALEX, { others: [SANDERS, berg, ROBIN], view: { floor: { mode: "therapist_only" } } });
  assert.deepEqual([client.lead, ...client.rest], [
    "Dr. Sanders and Dr. Berg can hear you. Dr. Sanders, Dr. Berg, and Robin can see you.",
    "For now, only your therapists are heard by everybody.",
  ]);
});

test("in a session held in text the words are of reading", () => {
  const session = { modality: "text" };
  const people = [inside(SANDERS), inside(ALEX)];
  assert.equal(said(SANDERS, { view: { session, people }, microphone: false }).lead, "You and Alex can read each other.");
  assert.equal(said(ALEX, { view: { session }, others: [SANDERS] }).lead, "Dr. Sanders can read what you write.");
});

test("in a check-in the sentence names those inside it and nobody else", () => {
  const sealed = { place: "check_in", check_in: 3 };
  const people = [inside(SANDERS, sealed), inside(ALEX, sealed), inside(ROBIN, { place: "hold" })];
  const { lead, rest } = said(SANDERS, { view: { place: "check_in", people } });
  assert.equal(lead, "Only you and Alex can hear each other.");
  assert.deepEqual(rest, ["Robin is on hold: sees and hears nobody."]);
  const client = said(ALEX, { view: { place: "check_in" }, others: [SANDERS] });
  assert.deepEqual([client.lead, ...client.rest], ["Dr. Sanders can see and hear you.", "This is a private conversation."]);
});

test("before a check-in its words name who will hear whom, who waits and who stays", () => {
  const kim = { identity: "kim", name: "Kim", role: "client" };
  const berg = { identity: "berg", name: "Dr. Berg", role: "therapist" };
  const foresee = (people, chosen, more = {}) => {
    const view = { session: { modality: "video" }, me: { identity: "sanders" }, people: [inside(SANDERS), ...people], ...more };
    return foreseen(view, people.filter(({ identity }) => chosen.includes(identity)));
  };
  const family = [inside(ALEX), inside(ROBIN), inside(kim)];
  const together = "Only you, Alex, and Robin will hear each other.";
  const waits = "Kim waits, and sees and hears nobody until you are back together.";
  assert.deepEqual(foresee(family, ["alex", "robin"]), [together, waits]);
  assert.deepEqual(foresee(family, ["alex"]), [
    "Only you and Alex will hear each other.",
    "Robin and Kim wait, each alone, and see and hear nobody until you are back together.",
  ]);
  assert.deepEqual(foresee(family, ["alex", "robin", "kim"])[1], "That is everybody. Whoever is let in meanwhile waits.");
  assert.deepEqual(foresee([...family, inside(berg)], ["alex", "robin"]), [
    together,
    waits,
    "Dr. Berg stays in the session and learns nothing of what is said.",
  ]);
  const elsewhere = { check_ins: [{ id: 1, therapist: "berg", members: ["berg", "kim"] }] };
  assert.deepEqual(foresee([...family, inside(berg)], ["alex", "robin"], elsewhere), [together], "others are in theirs");
  const floor = (mode, identity) => ({ floor: { mode, identity } });
  const heard = (words, chosen = ["alex", "robin", "berg"]) => foresee([...family, inside(berg)], chosen, words)[0];
  assert.equal(heard(floor("therapist_only")), "Alex and Robin will hear only you and Dr. Berg, and not each other.");
  assert.equal(heard(floor("one_voice", "kim")), "Alex and Robin will hear only you and Dr. Berg, and not each other.");
  assert.equal(
    heard(floor("one_voice", "robin")),
    "All in it will hear you, Dr. Berg, and Robin. The others in it will be heard only by you and Dr. Berg.",
  );
  assert.equal(heard(floor("therapist_only"), ["alex"]), "Only you and Alex will hear each other.");
  assert.equal(heard({ session: { modality: "text" } }), "Only you, Alex, Robin, and Dr. Berg will read each other.");
});

test("a client is never told to be heard by somebody whom floor or room keep from hearing", () => {
  const others = [SANDERS, ROBIN];
  const lead = (view) => said(ALEX, { others, view }).lead;
  assert.equal(lead({}), "Dr. Sanders and Robin can see and hear you.");
  assert.equal(lead({ floor: { mode: "therapist_only" } }), "Dr. Sanders can hear you. Dr. Sanders and Robin can see you.");
  const oneVoice = (identity) => ({ floor: { mode: "one_voice", identity } });
  assert.equal(lead(oneVoice("alex")), "Dr. Sanders and Robin can see and hear you.");
  assert.equal(lead(oneVoice("robin")), "Dr. Sanders can hear you. Dr. Sanders and Robin can see you.");
  const room = (how) => ({ same_room: [{ a: "robin", b: "alex", how }] });
  assert.equal(lead(room("audio")), "Dr. Sanders can hear you. Dr. Sanders and Robin can see you.");
  assert.equal(lead(room("audio_and_video")), "Dr. Sanders can see and hear you.");
  assert.equal(said(ALEX, { others, connection: "reconnecting" }).lead, "The others may not hear you right now.");
});

test("pairs make rooms: of those who are there, whole or said in part", () => {
  const view = (...same_room) => ({ same_room: same_room.map(([a, b, how = "audio"]) => ({ a, b, how })) });
  const all = ["alex", "kim", "robin", "sam", "toni"];
  assert.deepEqual(rooms(view(), all), []);
  assert.deepEqual(rooms(view(["robin", "alex"], ["sam", "toni", "audio_and_video"]), all), [
    { members: ["alex", "robin"], kept: "audio", whole: true },
    { members: ["sam", "toni"], kept: "audio_and_video", whole: true },
  ]);
  const said = view(["alex", "kim"], ["alex", "robin"]);
  assert.deepEqual(rooms(said, all), [{ members: ["alex", "kim", "robin"], kept: "audio", whole: false }]);
  assert.deepEqual(rooms(said, ["kim", "robin"]), [], "who is not there joins nobody");
});

test("what is said of a room is what is not so yet, and of nobody outside it", () => {
  const view = { same_room: [{ a: "kim", b: "alex", how: "audio" }, { a: "sam", b: "alex", how: "audio" }] };
  const said = (...words) => changes(view, ...words).map(({ a, b, how }) => `${a} ${b} ${how}`);
  assert.deepEqual(said([], ["alex", "kim"], "audio"), []);
  assert.deepEqual(said(["alex", "kim"], ["alex", "kim", "robin"], "audio"), ["alex robin audio", "kim robin audio"]);
  assert.deepEqual(said(["alex", "kim"], ["alex", "kim"], "audio_and_video"), ["alex kim audio_and_video"]);
  assert.deepEqual(said(["alex", "kim"], [], "audio"), ["alex kim apart"]);
  assert.deepEqual(said(["alex", "kim"], ["alex"], "audio"), ["alex kim apart"], "one alone shares no room");
});

test("a camera gives nothing when the browser says so for two seconds, or no picture comes for five", () => {
  const frames = new Frames();
  const at = (seconds, source) => frames.take(source, seconds * 1_000);
  const moves = (count) => ({ muted: false, frames: count });
  assert.deepEqual([at(0, null), at(2, moves(0)), at(4, moves(30)), at(8, moves(30))], [false, false, false, false]);
  assert.equal(at(9, moves(30)), true);
  assert.equal(at(11, moves(31)), false, "a picture came");
  assert.equal(at(17, { muted: false, frames: null }), false, "nobody takes any");
  assert.equal(at(30, { muted: true, frames: null }), false);
  assert.equal(at(32, { muted: true, frames: null }), true);
  assert.equal(at(33, null), false, "off");
});

test("frames count where an encoding takes them", () => {
  const source = { type: "media-source", kind: "video", frames: 7 };
  assert.equal(framesOf([source, { type: "outbound-rtp", active: true }]), 7);
  assert.equal(framesOf([source, { type: "outbound-rtp", active: false }]), null);
  assert.equal(framesOf([{ type: "outbound-rtp", active: true }]), null);
});

test("who goes while something is written, and comes back, is asked about like one who is new", () => {
  const [sanders, robin, kim] = ["sanders", "robin", "kim"].map((identity) => ({ identity }));
  const meant = new Set(["sanders", "robin"]);
  assert.equal(stillThere(meant, [sanders, robin, kim]), meant);
  assert.deepEqual(unmeant(meant, [sanders, robin]), []);
  assert.deepEqual(unmeant(meant, [sanders, robin, kim]), [kim]);
  const inPrivate = stillThere(meant, [sanders]);
  assert.deepEqual(unmeant(inPrivate, [sanders, robin]), [robin]);
  assert.deepEqual(unmeant(null, [sanders]), [], "nothing is written yet");
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

test("no French sign begins a line", () => {
  const texts = JSON.parse(readFileSync(new URL("texts/fr.json", client), "utf8"));
  const torn = Object.entries(texts).filter(([, text]) => / [:;?!»]|« /.test(text));
  assert.deepEqual(torn.map(([key]) => key), []);
});

/** A load over a line of `kbps` with 20 ms each way: the last report, and the longest queue in ms. */
function loadOver(kbps) {
  const [way, size] = [20, 1_190 * 8];
  const [load, arrivals] = [new Load(0), new Arrivals()];
  const [arriving, reports] = [[], []];
  let [free, longest] = [0, 0];
  for (let now = 0; now < 3_000; now += 1) {
    while (load.poll(now, 0) !== null) {
      free = Math.max(free, now) + size / kbps;
      longest = Math.max(longest, free - now);
      arriving.push({ at: free + way, sent: now });
    }
    // The clocks differ by as much as they can.
    while (arriving[0]?.at <= now) {
      const { at, sent } = arriving.shift();
      arrivals.take(1_100, micros(sent + 4_294_900), micros(at), at);
    }
    if (now % 50 === 0) reports.push({ at: now + way, report: arrivals.report() });
    while (reports[0]?.at <= now) load.heard(reports.shift().report, now);
  }
  return { ...arrivals.report(), longest };
}

test("a load knows its line within a twentieth and leaves its queue short", () => {
  for (const kbps of [1_000, 1_700, 2_000, 2_500, 3_000, 4_000]) {
    const found = loadOver(kbps);
    assert.ok(Math.abs(found.kbps - kbps) <= kbps / 20, `${kbps}: ${JSON.stringify(found)}`);
    assert.ok(found.longest <= 400, `${kbps}: ${JSON.stringify(found)}`);
  }
  assert.ok(loadOver(100_000).kbps >= 3_800);
});

test("loss and round trip of a quiet line are those of its echoes, each way", () => {
  const beats = new Beats();
  for (let number = 0; number < 100; number += 1) {
    beats.sent += 1;
    const isLostUp = number % 10 === 3;
    const isLostDown = number % 20 === 7;
    if (isLostUp || isLostDown) continue;
    const arrived = number - Math.floor((number + 6) / 10) + 1;
    beats.heard(number, micros(number * 10), micros(5_000 + number * 10 + 20), arrived, micros(number * 10 + 45));
  }
  assert.deepEqual(beats.quality(), { loss_percent: 10, jitter_ms: 0, round_trip_ms: 45 });
});

test("a line is called what it carries, and one worse when it is unsteady", () => {
  const line = (kbps, words = {}) => verdict({ down_kbps: 9_000, up_kbps: kbps, loss_percent: 0, jitter_ms: 3, round_trip_ms: 30, ...words });
  assert.deepEqual([4_000, 2_000, 1_999, 800, 799, 200, 199].map((kbps) => line(kbps)), ["good", "good", "fair", "fair", "weak", "weak", "poor"]);
  for (const unsteady of [{ loss_percent: 5 }, { jitter_ms: 60 }, { round_trip_ms: 600 }]) {
    assert.deepEqual([line(4_000, unsteady), line(1_000, unsteady)], ["fair", "weak"]);
  }
  assert.equal(line(4_000, { loss_percent: 40 }), "poor");
  assert.ok(["fair", "weak", "poor", "blocked"].every((one) => advice(one).length > 0));
});

test("messages of a line test read as they were written, and nothing else does", () => {
  const echo = write("echo", 1, 2, 4_294_967_295, 4);
  assert.deepEqual(read(echo), { kind: "echo", numbers: [1, 2, 4_294_967_295, 4] });
  assert.deepEqual([echo.byteLength, write("load", 0, 0).byteLength, write("ask").byteLength], [100, 1_100, 1]);
  assert.deepEqual([...new Uint8Array(write("report", 258, 0, 1))], [5, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
  for (const bytes of [[], [0], [6, 1, 1, 1, 1], [1, 0, 0]]) assert.equal(read(new Uint8Array(bytes).buffer), null);
});

test("another way is shown when sound is missing for long, and not for a stall", () => {
  const carried = new Carried();
  const over = (missing, from, to) => {
    const said = [];
    for (let at = from; at <= to; at += 2_000) said.push(carried.take(missing, at));
    return said.at(-1);
  };
  assert.equal(over(true, 0, 8_000), true, "a stall");
  assert.equal(over(false, 10_000, 12_000), true);
  assert.equal(over(true, 14_000, 22_000), true, "another one counts anew");
  assert.equal(over(true, 24_000, 24_000), false);
  assert.equal(over(false, 26_000, 28_000), false, "a moment of sound is not a call");
  assert.equal(over(false, 30_000, 32_000), true);
});

test("a voice is missing when nothing comes of it or a third is made up", () => {
  const voices = (samples, concealed, packets) => new Map([["a", { samples, concealed, packets }]]);
  const before = voices(1_000, 0, 50);
  assert.ok(!isMissing(before, voices(97_000, 1_000, 150)));
  assert.ok(isMissing(before, voices(97_000, 40_000, 120)));
  assert.ok(isMissing(before, voices(97_000, 0, 50)), "nothing came");
  assert.ok(!isMissing(before, voices(0, 0, 0)), "it began anew");
  assert.ok(!isMissing(new Map(), voices(0, 0, 0)) && !isMissing(before, new Map()), "or there is none");
});
