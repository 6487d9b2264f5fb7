// A camera that keeps an encoder busy: a fine texture that moves in a circle, so that there is always more to say than a
// line carries, and no cut where the film begins anew. Chromium's own test picture costs a tenth of a real face.
import { createWriteStream } from "node:fs";
import { once } from "node:events";

export const SIZE = { width: 1280, height: 720, frameRate: 20 };
const FRAMES = 40;
/** How far the picture moves, in pixels: a person who leans to and fro. */
const RADIUS = 24;
/** Brightness steps of noise on top, as a webcam has in a living room. */
const GRAIN = 6;

/** The same numbers each time, so that runs can be compared. */
function generator(seed) {
  let state = seed >>> 0;
  return () => ((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 4_294_967_296);
}

/** Soft shapes of several sizes. */
function texture(width, height, random) {
  const luma = new Float32Array(width * height).fill(128);
  for (const [cell, strength] of [[160, 50], [40, 25], [10, 12]]) {
    const columns = Math.ceil(width / cell) + 2;
    const knots = Float32Array.from({ length: columns * (Math.ceil(height / cell) + 2) }, () => (random() - 0.5) * 2 * strength);
    for (let y = 0; y < height; y += 1) {
      const row = Math.floor(y / cell);
      const down = y / cell - row;
      for (let x = 0; x < width; x += 1) {
        const at = row * columns + Math.floor(x / cell);
        const along = x / cell - Math.floor(x / cell);
        const upper = knots[at] * (1 - along) + knots[at + 1] * along;
        const lower = knots[at + columns] * (1 - along) + knots[at + columns + 1] * along;
        luma[y * width + x] += upper * (1 - down) + lower * down;
      }
    }
  }
  return luma;
}

/** Writes the film as YUV4MPEG2, which Chromium plays in a loop in place of a camera. */
export async function film(file) {
  const { width, height, frameRate } = SIZE;
  const random = generator(7);
  const wide = width + 2 * RADIUS;
  const field = texture(wide, height + 2 * RADIUS, random);
  const grain = Int8Array.from({ length: 1 << 16 }, () => Math.round((random() - 0.5) * 2 * GRAIN));
  const chroma = Buffer.alloc((width * height) / 2, 128);
  const stream = createWriteStream(file);
  stream.write(`YUV4MPEG2 W${width} H${height} F${frameRate}:1 Ip A1:1 C420jpeg\n`);
  for (let frame = 0; frame < FRAMES; frame += 1) {
    const turn = (2 * Math.PI * frame) / FRAMES;
    const left = Math.round(RADIUS * (1 + Math.cos(turn)));
    const top = Math.round(RADIUS * (1 + Math.sin(turn)));
    const luma = Buffer.allocUnsafe(width * height);
    let at = Math.floor(random() * grain.length);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        luma[y * width + x] = field[(y + top) * wide + x + left] + grain[(at = (at + 1) & 0xffff)];
      }
    }
    stream.write("FRAME\n");
    stream.write(luma);
    if (!stream.write(chroma)) await once(stream, "drain");
  }
  stream.end();
  await once(stream, "finish");
}
