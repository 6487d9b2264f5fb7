// npm livekit-server-sdk, unmodified, against a real server with browsers in its rooms. It writes JSON; the Python
// server SDK, tested in tests/python, writes protobuf.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessToken, DataPacket_Kind, RoomServiceClient, TrackType } from "livekit-server-sdk";
import { allPerceive, openStage, stands } from "../harness/stage.mjs";
import { API_KEY, API_SECRET, token } from "../harness/token.mjs";
import { until } from "../harness/until.mjs";

const SIZE = { width: 320, height: 180, frameRate: 15 };

test("a server made for LiveKit runs rooms", async (t) => {
  const stage = await openStage(t);
  const { session } = stage;
  const rooms = new RoomServiceClient(stage.server.page, API_KEY, API_SECRET);
  const refused = (promise, code) => assert.rejects(promise, (error) => (assert.equal(error.code, code), true));

  await t.test("it makes a room with limits and metadata, and lists it", async () => {
    const made = await rooms.createRoom({ name: session, metadata: "m", maxParticipants: 5, emptyTimeout: 600 });
    assert.deepEqual([made.name, made.metadata, made.maxParticipants], [session, "m", 5]);
    assert.deepEqual((await rooms.listRooms([session])).map(({ sid }) => sid), [made.sid]);
    assert.equal((await rooms.updateRoomMetadata(session, "n")).metadata, "n");
  });

  const ingrid = await stage.seat("ingrid", { role: "therapist", size: SIZE });
  const anna = await stage.seat("anna", { size: SIZE });
  await allPerceive([ingrid, anna]);

  await t.test("it sees who is there and what they publish", async () => {
    const people = await rooms.listParticipants(session);
    assert.deepEqual(people.map(({ identity }) => identity).sort(), ["anna", "ingrid"]);
    const kinds = (await rooms.getParticipant(session, "anna")).tracks.map(({ type }) => type).sort();
    assert.deepEqual(kinds, [TrackType.AUDIO, TrackType.VIDEO].sort());
    assert.equal(await ingrid.do((sdk) => sdk.room.metadata), "n");
  });

  await t.test("it mutes, and cannot unmute", async () => {
    const { tracks } = await rooms.getParticipant(session, "anna");
    const video = tracks.find(({ type }) => type === TrackType.VIDEO).sid;
    assert.equal((await rooms.mutePublishedTrack(session, "anna", video, true)).muted, true);
    await until("anna's camera is muted", () =>
      anna.do((sdk) => sdk.room.localParticipant.getTrackPublication("camera").isMuted));
    await stands("anna's picture", async () => (await ingrid.of(anna))?.frames ?? 0);
    await refused(rooms.mutePublishedTrack(session, "anna", video, false), "failed_precondition");
    await anna.do((sdk) => sdk.room.localParticipant.setCameraEnabled(true));
    await ingrid.perceives(anna);
  });

  await t.test("it renames and changes attributes, and nobody becomes another or unseen", async () => {
    await rooms.updateParticipant(session, "anna", { name: "A.", metadata: "a", attributes: { seat: "2" } });
    await until("ingrid is told", () =>
      ingrid.do((sdk) => {
        const anna = sdk.room.remoteParticipants.get("anna");
        return anna.name === "A." && anna.metadata === "a" && anna.attributes.seat === "2";
      }));
    const role = { attributes: { "parlour.role": "therapist" } };
    await refused(rooms.updateParticipant(session, "anna", role), "invalid_argument");
    const hidden = { permission: { canSubscribe: true, hidden: true } };
    await refused(rooms.updateParticipant(session, "anna", hidden), "invalid_argument");
  });

  await t.test("its data reaches whom it is for", async () => {
    for (const person of [ingrid, anna]) {
      await person.do((sdk) => {
        sdk.told = [];
        sdk.room.on("dataReceived", (data, from) => sdk.told.push([new TextDecoder().decode(data), from ?? null]));
      });
    }
    const send = (text, to) =>
      rooms.sendData(session, new TextEncoder().encode(text), DataPacket_Kind.RELIABLE, { destinationIdentities: to });
    // A client opens its channels when media is up; what is sent before has nowhere to go.
    await until("both channels are open", async () => {
      await send("open", []);
      const told = await Promise.all([ingrid, anna].map((person) => person.do((sdk) => sdk.told.length)));
      return told.every((number) => number > 0);
    });
    await send("to anna", ["anna"]);
    await send("to all", []);
    const last = (person) => person.do((sdk) => sdk.told.filter(([text]) => text !== "open"));
    const got = (person, wanted) =>
      until(`${person.identity} has it`, async () => (await last(person)).length >= wanted.length)
        .then(async () => assert.deepEqual(await last(person), wanted.map((text) => [text, null])));
    await got(anna, ["to anna", "to all"]);
    await got(ingrid, ["to all"]);
  });

  await t.test("it moves someone to another room, media and all", async () => {
    const other = `${session}-other`;
    const ben = await stage.seat("ben", { size: SIZE, token: token({ session: other, identity: "ben", role: "therapist" }) });
    await rooms.moveParticipant(session, "anna", other);
    await until("ingrid sees anna leave", async () => (await ingrid.names()).length === 0);
    await until("anna is in the other room", () => anna.do((sdk) => sdk.room.name).then((name) => name === other));
    await allPerceive([anna, ben]);
    assert.deepEqual(await anna.names(), ["ben"]);
    assert.equal((await anna.events("disconnected")).length, 0);
    await rooms.deleteRoom(other);
    await until("both are out", async () => (await anna.state()) === "disconnected" && (await ben.state()) === "disconnected");
  });

  await t.test("it removes someone, who cannot come back", async () => {
    const cara = await stage.seat("cara", { size: SIZE });
    await until("ingrid sees cara", async () => (await ingrid.names()).includes("cara"));
    await rooms.removeParticipant(session, "cara");
    await until("cara is out", async () => (await cara.state()) === "disconnected");
    await assert.rejects(stage.enter(cara, { size: SIZE }));
  });

  await t.test("no other token will do", async () => {
    const ask = async (key, grants) => {
      const made = new AccessToken(API_KEY, key, { identity: "server" });
      made.addGrant(grants);
      const answer = await fetch(`${stage.server.page}/twirp/livekit.RoomService/ListParticipants`, {
        method: "POST",
        headers: { authorization: `Bearer ${await made.toJwt()}`, "content-type": "application/json" },
        body: JSON.stringify({ room: session }),
      });
      return (await answer.json()).code;
    };
    const admin = { roomAdmin: true, room: session };
    assert.equal(await ask("another-key-that-is-long-enough-to-sign", admin), "unauthenticated");
    assert.equal(await ask(API_SECRET, { ...admin, room: "another" }), "permission_denied");
    assert.equal(await ask(API_SECRET, { ...admin, roomJoin: true }), "permission_denied");
    assert.equal(await ask(API_SECRET, admin), undefined);
    await refused(rooms.forwardParticipant(session, "anna", "another"), "unimplemented");
  });

  await t.test("nothing went elsewhere or wrong", () => stage.checkClean());
});
