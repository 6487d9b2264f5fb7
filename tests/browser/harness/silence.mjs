// Proof of a seal as seen from outside the page: what its WebSocket got, and when (CDP, Network.webSocketFrameReceived).
import assert from "node:assert/strict";

/** Keeps every frame that this page's signalling receives from now on. */
export async function recordSignalling(page) {
  const devtools = await page.context().newCDPSession(page);
  const frames = [];
  await devtools.send("Network.enable");
  devtools.on("Network.webSocketFrameReceived", ({ response }) => {
    const bytes = response.opcode === 2 ? Buffer.from(response.payloadData, "base64") : Buffer.from(response.payloadData);
    frames.push({ at: Date.now(), bytes });
  });
  return frames;
}

/** Nothing that came after `since` has any of these words in it. Binary messages carry strings as they are. */
export function assertSilent(frames, since, words) {
  const telling = frames
    .filter(({ at }) => at > since)
    .flatMap(({ at, bytes }) => words.filter((word) => bytes.includes(word)).map((word) => `${word} after ${at - since} ms`));
  assert.deepEqual(telling, []);
}

/** Each word was in something that came: what is silent at other times is so by the server's doing, not by our deafness. */
export function assertTold(frames, words) {
  assert.deepEqual(words.filter((word) => !frames.some(({ bytes }) => bytes.includes(word))), []);
}
