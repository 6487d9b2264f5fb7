// Lines that break: livekit-client's own simulations, with media checked before and after from both sides.
import assert from "node:assert/strict";
import { test } from "node:test";
import { allPerceive, openStage } from "../harness/stage.mjs";
import { until } from "../harness/until.mjs";

const SIZE = { width: 320, height: 180, frameRate: 15 };

test("broken lines mend", async (t) => {
  const stage = await openStage(t);
  const ingrid = await stage.seat("ingrid", { role: "therapist", size: SIZE });
  const anna = await stage.seat("anna", { size: SIZE });
  await allPerceive([ingrid, anna]);

  const simulate = async (scenario) => {
    const before = (await anna.events("reconnected")).length;
    await anna.do((sdk, value) => sdk.room.simulateScenario(value), scenario);
    await until("anna is back", async () => (await anna.events("reconnected")).length > before, 30_000);
    assert.equal(await anna.state(), "connected");
    await allPerceive([ingrid, anna]);
  };

  await t.test("signal reconnect: resumed, nobody sees a leave", async () => {
    const sid = await anna.do((sdk) => sdk.room.localParticipant.sid);
    const left = (await ingrid.events("participantDisconnected")).length;
    await simulate("signal-reconnect");
    assert.equal(await anna.do((sdk) => sdk.room.localParticipant.sid), sid, "it is the same participant");
    assert.equal((await ingrid.events("participantDisconnected")).length, left);
    assert.equal((await anna.events("reconnecting")).length, 0, "a resume was enough");
  });

  await t.test("resume with ICE restart", () => simulate("resume-reconnect"));
  await t.test("full reconnect", () => simulate("full-reconnect"));
  await t.test("full reconnect asked for by the server", () => simulate("leave-full-reconnect"));
  await t.test("nothing went elsewhere or wrong", () => stage.checkClean());
});
