// The largest usual call. Small pictures and 15 frames a second: two cores encode six and decode thirty streams here.
import { test } from "node:test";
import { allPerceive, openStage } from "../harness/stage.mjs";

const SMALL = { width: 640, height: 360, frameRate: 15 };

test("six people in one call", async (t) => {
  const stage = await openStage(t);
  const options = { size: SMALL, options: { dynacast: true, adaptiveStream: true } };
  const people = [await stage.seat("ingrid", { role: "therapist", ...options })];
  for (const identity of ["anna", "ben", "clara", "david", "elin"]) people.push(await stage.seat(identity, options));

  await t.test("each decodes every other", () => allPerceive(people, { frames: 10, within: 60_000 }));
  await t.test("nothing went elsewhere or wrong", () => stage.checkClean());
});
