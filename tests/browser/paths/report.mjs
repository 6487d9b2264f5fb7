// From samples taken each second to one line per receiver: what people saw and heard. Pure.

const sum = (numbers) => numbers.reduce((total, one) => total + one, 0);
const round = (number, digits = 0) => Number(number.toFixed(digits));

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.floor((sorted.length - 1) / 2)] : 0;
}

/** Pairs of neighbouring samples of each stream of one kind. A stream that appears late counts from nothing. */
function steps(samples, kind) {
  const known = new Map();
  const found = [];
  for (const { at, streams } of samples) {
    for (const stream of streams.filter((one) => one.kind === kind)) {
      const before = known.get(stream.key);
      if (before) found.push({ seconds: (at - before.at) / 1000, before: before.stream, now: stream, at });
      known.set(stream.key, { at, stream });
    }
  }
  return found;
}

const gained = (all, name) => sum(all.map(({ before, now }) => Math.max(0, now[name] - before[name])));

/** What one person received between the first and the last of these samples. */
export function received(samples) {
  const video = steps(samples, "video");
  const audio = steps(samples, "audio");
  const sent = steps(samples, "sent");
  const seconds = (samples.at(-1).at - samples[0].at) / 1000;
  const pictures = new Set(video.map(({ now }) => now.key)).size;
  const spoken = gained(audio, "samples");
  return {
    seconds: round(seconds, 1),
    pictures,
    fps: round(gained(video, "frames") / seconds / Math.max(1, pictures), 1),
    height: median(video.filter(({ before, now }) => now.frames > before.frames).map(({ now }) => now.height)),
    freezes: gained(video, "freezes"),
    frozen_s: round(gained(video, "frozen"), 1),
    /** Seconds in which no frame at all was decoded: Chromium counts a freeze only when the next frame ends it. */
    still_s: round(sum(video.filter(({ before, now }) => now.frames === before.frames).map((step) => step.seconds)), 1),
    video_kbps: round((gained(video, "bytes") * 8) / seconds / 1000),
    concealed_percent: round(spoken ? (100 * gained(audio, "concealed")) / spoken : 0, 2),
    filled_percent: round(spoken ? (100 * (gained(audio, "concealed") + gained(audio, "silent"))) / spoken : 0, 2),
    audio_wait_ms: round((1000 * gained(audio, "waited")) / Math.max(1, gained(audio, "emitted"))),
    sent_kbps: round((gained(sent, "bytes") * 8) / seconds / 1000),
    cpu_limited_s: round(gained(sent, "limitedByCpu"), 1),
  };
}

/** Seconds after `from` (in seconds since the first sample) until a picture of this height is decoded again; or null. */
export function until(samples, from, height) {
  const start = samples[0].at + from * 1000;
  const found = steps(samples, "video").find(
    ({ at, before, now }) => at > start && now.frames > before.frames && now.height >= height,
  );
  return found ? round((found.at - start) / 1000, 1) : null;
}

const COLUMNS = [
  ["who", (row) => row.who],
  ["fps", (row) => row.fps],
  ["lines", (row) => row.height],
  ["freezes", (row) => row.freezes],
  ["frozen s", (row) => row.frozen_s],
  ["still s", (row) => row.still_s],
  ["video kbit/s", (row) => row.video_kbps],
  ["sent kbit/s", (row) => row.sent_kbps],
  ["sound concealed %", (row) => row.concealed_percent],
  ["sound waits ms", (row) => row.audio_wait_ms],
  ["back after s", (row) => row.back_s ?? ""],
];

/** A table in Markdown: one row per case, way and receiver. */
export function table(results) {
  const head = ["path", "call", ...COLUMNS.map(([name]) => name), "line down %", "queue down ms"];
  const rows = results.flatMap(({ id, way, people, line }) =>
    people.map((row) => [id, way, ...COLUMNS.map(([, read]) => read(row)), line.down_percent, line.down_queue_ms]),
  );
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return lines.join("\n");
}
