// Browsers behind and before the line, and calls between them: through our server with unmodified livekit-client, or from
// browser to browser with bare RTCPeerConnections. Both with the same camera, ceiling and statistics.
import { chromium } from "playwright-core";
import { readFile } from "node:fs/promises";
import { CHROMIUM_FLAGS } from "../harness/browsers.mjs";
import { bundle } from "../harness/sdk-pages.mjs";
import { watchConnections } from "../harness/watch.mjs";
import { SIZE } from "./camera.mjs";

/** Cameras work on secure pages only, and this name counts as one; nothing is asked of the network for it. */
const PAGE = "http://localhost/";

/** As our own page sends: the ladder that the server's allocation is made for. */
const CEILING = 1_700_000;
const SDK_OPTIONS = {
  dynacast: true,
  publishDefaults: {
    videoCodec: "vp8",
    simulcast: true,
    videoEncoding: { maxBitrate: CEILING, maxFramerate: 30 },
    audioPreset: { maxBitrate: 40_000 },
    red: true,
    // The statistics of concealment count the pauses of discontinuous transmission as well.
    dtx: false,
  },
};

/** `camera`: a film to send; without one it is Chromium's own test picture. */
export async function launch(executablePath, camera = null) {
  const film = camera ? [`--use-file-for-fake-video-capture=${camera}`] : [];
  const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS, ...film] });
  const html = await readFile(new URL("../pages/sdk.html", import.meta.url), "utf8");
  const script = await bundle();
  return {
    version: browser.version(),
    /** One person's page, with nobody called yet. */
    open: async (identity) => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 720 } });
      await context.route(`${PAGE}**`, (route) => {
        const isScript = route.request().url().endsWith(".js");
        return route.fulfill({ contentType: isScript ? "text/javascript" : "text/html", body: isScript ? script : html });
      });
      const page = await context.newPage();
      await page.addInitScript(watchConnections);
      await page.goto(PAGE);
      await page.waitForFunction(() => window.sdk !== undefined);
      return { identity, page, close: () => context.close() };
    },
    close: () => browser.close(),
  };
}

/** Everyone into one session of ours, with the token that `tokenFor` gives to an identity. */
export async function callThroughServer(people, url, tokenFor, size = SIZE) {
  for (const { page, identity } of people) {
    const how = { url, token: tokenFor(identity), size, options: SDK_OPTIONS };
    await page.evaluate((options) => window.sdk.join(options), how);
    await page.evaluate(speakAsAsked, SDK_OPTIONS.publishDefaults.audioPreset.maxBitrate);
    await page.evaluate(() => window.sdk.publish());
  }
}

/** Everyone with everyone else, directly. */
export async function callDirectly(people, size = SIZE) {
  await Promise.all(people.map(({ page }) => page.evaluate(openDevices, size)));
  for (const [index, a] of people.entries()) {
    for (const b of people.slice(index + 1)) {
      const offer = await a.page.evaluate(offerTo, [b.identity, CEILING]);
      const answer = await b.page.evaluate(answerTo, [a.identity, offer, CEILING]);
      await a.page.evaluate(settle, [b.identity, answer]);
    }
  }
}

// What follows runs in pages.

/** As our own page does (`crates/web/client/src/speech.ts`). */
function speakAsAsked(usual) {
  const { room } = window.sdk;
  room.on("dataReceived", async (payload, participant, _kind, topic) => {
    if (topic !== "parlour.speech" || participant) return;
    const { track, max_bitrate: most } = JSON.parse(new TextDecoder().decode(payload));
    const { sender } = room.localParticipant.trackPublications.get(track).track;
    const parameters = sender.getParameters();
    for (const encoding of parameters.encodings) encoding.maxBitrate = most ?? usual;
    await sender.setParameters(parameters);
  });
}

async function openDevices({ width, height, frameRate }) {
  const video = { width, height, frameRate };
  window.mine = await navigator.mediaDevices.getUserMedia({ video, audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  window.calls = {};
  window.connect = async (other, ceiling) => {
    const connection = new RTCPeerConnection({ iceServers: [] });
    window.calls[other] = connection;
    connection.addEventListener("track", ({ track }) => {
      const element = document.createElement(track.kind);
      element.srcObject = new MediaStream([track]);
      Object.assign(element, { autoplay: true, playsInline: true });
      document.getElementById("media").append(element);
    });
    for (const track of window.mine.getTracks()) {
      const sender = connection.addTrack(track, window.mine);
      if (track.kind !== "video") continue;
      const parameters = sender.getParameters();
      parameters.encodings = [{ ...parameters.encodings[0], maxBitrate: ceiling }];
      await sender.setParameters(parameters);
    }
    return connection;
  };
  window.gathered = async (connection) => {
    if (connection.iceGatheringState === "complete") return;
    await new Promise((resolve) => {
      connection.addEventListener("icegatheringstatechange", () => connection.iceGatheringState === "complete" && resolve());
    });
  };
}

async function offerTo([other, ceiling]) {
  const connection = await window.connect(other, ceiling);
  await connection.setLocalDescription();
  await window.gathered(connection);
  return connection.localDescription.toJSON();
}

async function answerTo([other, offer, ceiling]) {
  const connection = await window.connect(other, ceiling);
  await connection.setRemoteDescription(offer);
  await connection.setLocalDescription();
  await window.gathered(connection);
  return connection.localDescription.toJSON();
}

const settle = ([other, answer]) => window.calls[other].setRemoteDescription(answer);

/** Pictures wait for at least so long before they are shown, and speech with them, so that more repairs come in time. */
export const delayPictures = ({ page }, milliseconds) =>
  page.evaluate((least) => {
    for (const connection of window.connections) {
      for (const receiver of connection.getReceivers()) if (receiver.track.kind === "video") receiver.jitterBufferTarget = least;
    }
  }, milliseconds);

/** What one page has received and sent until now, by stream. */
export const sample = ({ page }) =>
  page.evaluate(async () => {
    const streams = [];
    for (const [index, connection] of (window.connections ?? []).entries()) {
      if (connection.connectionState === "closed") continue;
      const report = await connection.getStats();
      for (const one of report.values()) {
        const key = `${index}:${one.id}`;
        if (one.type === "inbound-rtp" && one.kind === "video") {
          streams.push({
            key,
            kind: "video",
            frames: one.framesDecoded ?? 0,
            freezes: one.freezeCount ?? 0,
            frozen: one.totalFreezesDuration ?? 0,
            height: one.frameHeight ?? 0,
            bytes: one.bytesReceived ?? 0,
            dropped: one.framesDropped ?? 0,
            waited: one.jitterBufferDelay ?? 0,
            emitted: one.jitterBufferEmittedCount ?? 0,
          });
        }
        if (one.type === "inbound-rtp" && one.kind === "audio") {
          streams.push({
            key,
            kind: "audio",
            samples: one.totalSamplesReceived ?? 0,
            concealed: (one.concealedSamples ?? 0) - (one.silentConcealedSamples ?? 0),
            silent: one.silentConcealedSamples ?? 0,
            waited: one.jitterBufferDelay ?? 0,
            emitted: one.jitterBufferEmittedCount ?? 0,
            bytes: one.bytesReceived ?? 0,
          });
        }
        if (one.type === "outbound-rtp" && one.kind === "video" && one.active !== false) {
          streams.push({
            key,
            kind: "sent",
            height: one.frameHeight ?? 0,
            bytes: one.bytesSent ?? 0,
            frames: one.framesEncoded ?? 0,
            rid: one.rid ?? "",
            target: one.targetBitrate ?? 0,
            limited: one.qualityLimitationReason ?? "none",
            limitedByCpu: one.qualityLimitationDurations?.cpu ?? 0,
          });
        }
        if (one.type === "candidate-pair" && one.nominated && one.availableOutgoingBitrate) {
          streams.push({ key, kind: "line", available: one.availableOutgoingBitrate, roundTrip: one.currentRoundTripTime ?? 0 });
        }
      }
    }
    // To lay it beside what the server says.
    return { at: performance.now(), wall: Date.now(), streams };
  });
