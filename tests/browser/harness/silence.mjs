// Proof of a seal as seen from outside the page: what its WebSocket got, in its order (CDP, Network.webSocketFrameReceived). When it
// got it would depend on how busy the machine is that looks.
import assert from "node:assert/strict";
import { until } from "./until.mjs";

/** Keeps every frame that this page's signalling receives from now on. */
export async function recordSignalling(page) {
  const devtools = await page.context().newCDPSession(page);
  const frames = [];
  await devtools.send("Network.enable");
  devtools.on("Network.webSocketFrameReceived", ({ response }) => {
    frames.push(response.opcode === 2 ? Buffer.from(response.payloadData, "base64") : Buffer.from(response.payloadData));
  });
  return frames;
}

/**
 * The page is told once that these people are gone, before the command that seals them off is answered. Resolves with how
 * many frames had come by then, of which `before` came before the command.
 */
export function untilParted(frames, before, people) {
  return until(`the page is told that ${people.join(" and ")} are gone`, () => {
    const found = frames.findIndex((bytes, index) => index >= before && people.every((one) => bytes.includes(one)));
    return found < 0 ? 0 : found + 1;
  });
}

/** Nothing that came after the first `since` frames has any of these words in it. Binary messages carry strings as they are. */
export function assertSilent(frames, since, words) {
  const telling = frames
    .slice(since)
    .flatMap((bytes, index) => words.filter((word) => bytes.includes(word)).map((word) => `${word} in frame ${index}`));
  assert.deepEqual(telling, []);
}

/** Each word comes in something: what is silent at other times is so by the server's doing, not by our deafness. */
export function untilTold(frames, words) {
  return until("the page is told of the others", () => {
    const missing = words.filter((word) => !frames.some((bytes) => bytes.includes(word)));
    if (missing.length === 0) return true;
    throw new Error(`nothing of ${missing.join(", ")}`);
  });
}
