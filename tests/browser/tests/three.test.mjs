// A therapist and two partners through unmodified livekit-client: media, layers, mute, screen, data.
import assert from "node:assert/strict";
import { test } from "node:test";
import { allPerceive, openStage, stands } from "../harness/stage.mjs";
import { holds, until } from "../harness/until.mjs";

test("three people in one call", async (t) => {
  const stage = await openStage(t);
  // All pages of one Chromium share its fake camera, which keeps the size of whoever opened it first: the largest.
  const ben = await stage.seat("ben", { size: { width: 1280, height: 720, frameRate: 15 } });
  const ingrid = await stage.seat("ingrid", { role: "therapist" });
  const anna = await stage.seat("anna");
  const people = [ingrid, anna, ben];

  await t.test("each decodes every other", () => allPerceive(people));

  await t.test("roles and names are told", async () => {
    const seen = await ben.do((sdk) =>
      [...sdk.room.remoteParticipants.values()].map((p) => [p.identity, p.name, p.attributes["parlour.role"]]).sort(),
    );
    assert.deepEqual(seen, [
      ["anna", "anna", "client"],
      ["ingrid", "ingrid", "therapist"],
    ]);
  });

  await t.test("frame size follows what each receiver asks for", async () => {
    const wish = (person, quality) =>
      person.do(
        (sdk, wanted) =>
          sdk.room.remoteParticipants
            .get("ben")
            .getTrackPublication("camera")
            .setVideoQuality(sdk.livekit.VideoQuality[wanted]),
        quality,
      );
    const width = async (person) => (await person.of(ben)).width;
    await until("anna gets the full picture", async () => (await width(anna)) === 1280, 30_000);
    await wish(anna, "LOW");
    await until("anna gets the small picture", async () => (await width(anna)) === 320);
    await until("ingrid keeps the full picture", async () => (await width(ingrid)) === 1280);
    await wish(anna, "MEDIUM");
    await until("anna gets the middle picture", async () => (await width(anna)) === 640);
    await wish(anna, "HIGH");
    await until("anna gets the full picture again", async () => (await width(anna)) === 1280);
  });

  await t.test("a picture nobody wants is not sent", async () => {
    const enable = (on) =>
      anna.do(
        (sdk, value) => sdk.room.remoteParticipants.get("ben").getTrackPublication("camera").setEnabled(value),
        on,
      );
    await enable(false);
    await stands("no frames of ben reach anna", async () => (await anna.of(ben)).frames);
    await enable(true);
    await anna.perceives(ben);
  });

  await t.test("a muted microphone is silent and shown as muted", async () => {
    await ben.do((sdk) => sdk.room.localParticipant.setMicrophoneEnabled(false));
    for (const person of [ingrid, anna]) {
      await until("the mute is told", async () => (await person.of(ben)).microphoneMuted === true);
    }
    await stands("ben is silent", async () => (await anna.of(ben)).energy);
    await ben.do((sdk) => sdk.room.localParticipant.setMicrophoneEnabled(true));
    await until("the end of the mute is told", async () => (await anna.of(ben)).microphoneMuted === false);
    await anna.perceives(ben);
  });

  await t.test("a camera that is off sends nothing and comes back", async () => {
    await ben.do((sdk) => sdk.room.localParticipant.setCameraEnabled(false));
    await until("the camera is shown as off", async () => (await anna.of(ben)).cameraMuted === true);
    await stands("no frames of ben reach anna", async () => (await anna.of(ben)).frames);
    await ben.do((sdk) => sdk.room.localParticipant.setCameraEnabled(true));
    await allPerceive([ingrid, anna, ben]);
  });

  await t.test("a shared screen is seen beside the camera, and ends", async () => {
    await anna.do((sdk) => sdk.room.localParticipant.setScreenShareEnabled(true, { preferCurrentTab: true }));
    // A page that stands still makes no frames.
    await anna.page.evaluate(() => {
      const box = document.body.appendChild(document.createElement("p"));
      window.ticking = setInterval(() => (box.textContent = String(performance.now())), 100);
    });
    for (const person of [ingrid, ben]) {
      await until("the screen is decoded", async () => (await person.of(anna)).screenFrames > 5, 30_000);
    }
    await ingrid.perceives(anna);
    await anna.do((sdk) => sdk.room.localParticipant.setScreenShareEnabled(false));
    await until("the screen is gone", () =>
      ben.do((sdk) => sdk.room.remoteParticipants.get("anna").getTrackPublication("screen_share") === undefined),
    );
  });

  await t.test("data reaches those it is for", async () => {
    for (const person of people) {
      await person.do((sdk) => {
        sdk.messages = [];
        sdk.room.on("dataReceived", (payload, from, _kind, topic) =>
          sdk.messages.push(`${from?.identity} ${topic} ${new TextDecoder().decode(payload)}`),
        );
      });
    }
    const send = (person, options) =>
      person.do(
        (sdk, value) => sdk.room.localParticipant.publishData(new TextEncoder().encode("hello"), value),
        options,
      );
    const messages = (person) => person.do((sdk) => sdk.messages.join("; "));
    await send(anna, { reliable: true, topic: "all" });
    await until("ingrid has it", async () => (await messages(ingrid)) === "anna all hello");
    await until("ben has it", async () => (await messages(ben)) === "anna all hello");
    await send(anna, { reliable: true, topic: "private", destinationIdentities: ["ingrid"] });
    await until("ingrid has it", async () => (await messages(ingrid)) === "anna all hello; anna private hello");
    await send(ben, { reliable: false, topic: "lossy" });
    await until("anna has the lossy one", async () => (await messages(anna)) === "ben lossy hello");
    await holds("ben has nothing that is not for him", async () => (await messages(ben)) === "anna all hello", 1000);
  });

  await t.test("remote procedures are called and answer", async () => {
    await ben.do((sdk) =>
      sdk.room.registerRpcMethod("shout", async ({ payload, callerIdentity }) => `${callerIdentity}: ${payload.toUpperCase()}`),
    );
    const answer = await ingrid.do((sdk) =>
      sdk.room.localParticipant.performRpc({ destinationIdentity: "ben", method: "shout", payload: "quietly" }),
    );
    assert.equal(answer, "ingrid: QUIETLY");
  });

  await t.test("long text streams arrive whole", async () => {
    for (const person of [ingrid, ben]) {
      await person.do((sdk) =>
        sdk.room.registerTextStreamHandler("notes", async (reader, { identity }) => {
          sdk.notes = { identity, text: await reader.readAll() };
        }),
      );
    }
    await anna.do((sdk) => sdk.room.localParticipant.sendText("äö€ ".repeat(20_000), { topic: "notes" }));
    for (const person of [ingrid, ben]) {
      const whole = () => person.do((sdk) => sdk.notes?.identity === "anna" && sdk.notes.text === "äö€ ".repeat(20_000));
      await until("the text is whole", whole);
    }
  });

  await t.test("who speaks is told, and who stops", async () => {
    const speakers = (person) => person.do((sdk) => sdk.room.activeSpeakers.map(({ identity }) => identity).join());
    await anna.do((sdk) => sdk.setSpeaking(true));
    for (const person of people) await until("anna speaks", async () => (await speakers(person)).includes("anna"));
    await anna.do((sdk) => sdk.setSpeaking(false));
    for (const person of people) await until("anna is quiet", async () => !(await speakers(person)).includes("anna"));
  });

  await t.test("nothing went elsewhere or wrong", () => stage.checkClean());
});
