// Two network namespaces joined by a line of our making: `home`, where partners sit, and `outside`, where the server and
// the therapist are, which tests reach as well. Needs root, `ip` and Python; `unsupported` says why not.
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const ip = (...words) => run("ip", words);

/** Addresses of RFC 5737: nobody's, so that a mistake cannot reach a real network. */
const HOME = "198.51.100.2";
export const OUTSIDE = "198.51.100.1";
/** Of the tests themselves, for the server outside. */
const HERE = "198.51.100.5";

const NAMES = (number) => ({ home: `ph${number}`, outside: `po${number}`, homeDevice: `lh${number}`, outsideDevice: `lx${number}`, door: `ld${number}`, doorOutside: `le${number}` });

/** Why shaped paths cannot be had here, or `null`. */
export async function unsupported() {
  if (process.getuid?.() !== 0) return "only root can make network namespaces";
  const probe = `pp${process.pid % 10_000}`;
  const needed = [
    ["ip", "netns", "add", probe],
    ["ip", "netns", "delete", probe],
    ["python3", "-c", "import os; os.close(os.open('/dev/net/tun', os.O_RDWR))"],
  ];
  for (const [program, ...words] of needed) {
    try {
      await run(program, words);
    } catch (error) {
      return `${program}: ${String(error.stderr || error.message).trim().split("\n").at(-1)}`;
    }
  }
  return null;
}

/** A browser that lives in a namespace: the wrapper is what is launched in its place. */
async function wrapper(folder, namespace, program) {
  const file = join(folder, `${namespace}-browser`);
  await writeFile(file, `#!/bin/sh\nexec ip netns exec ${namespace} ${program} "$@"\n`, { mode: 0o755 });
  return file;
}

/** Makes the two namespaces and the line. `close` takes everything down again. */
export async function openHomes({ browser = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium" } = {}) {
  const names = NAMES(process.pid % 10_000);
  const folder = await mkdtemp(join(tmpdir(), "parlour-paths-"));
  const close = async () => {
    line.kill();
    await ip("link", "delete", names.door).catch(() => undefined);
    for (const namespace of [names.home, names.outside]) await ip("netns", "delete", namespace).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  };
  for (const namespace of [names.home, names.outside]) await ip("netns", "add", namespace);
  const script = new URL("line.py", import.meta.url).pathname;
  const line = spawn("python3", [script, names.homeDevice, names.outsideDevice], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: line.stdout })[Symbol.asyncIterator]();
  try {
    await answers.next();
    await place(names.home, names.homeDevice, HOME, OUTSIDE);
    await place(names.outside, names.outsideDevice, OUTSIDE, HOME);
    await openDoor(names);
  } catch (error) {
    await close();
    throw error;
  }
  const tell = (words) => line.stdin.write(`${JSON.stringify(words)}\n`);
  return {
    inHome: await wrapper(folder, names.home, browser),
    inOutside: await wrapper(folder, names.outside, browser),
    /** Starts a program where the server is. */
    spawnOutside: (program, words, options) => spawn("ip", ["netns", "exec", names.outside, program, ...words], options),
    /** `down` and `up`: rate in bit/s, queue_ms, delay_ms, loss from 0 to 1; what is left out stays. */
    set: tell,
    /** What the line carried and lost since it was last asked. */
    count: async () => (tell({ count: true }), JSON.parse((await answers.next()).value)),
    close,
  };
}

async function place(namespace, device, address, other) {
  await ip("link", "set", device, "netns", namespace);
  const within = (...words) => ip("-n", namespace, ...words);
  await within("link", "set", "lo", "up");
  await within("address", "add", address, "peer", other, "dev", device);
  await within("link", "set", device, "mtu", "1500", "up");
}

/** The server's address leads to it from here too. */
async function openDoor({ outside, door, doorOutside }) {
  await ip("link", "add", door, "type", "veth", "peer", "name", doorOutside, "netns", outside);
  await ip("address", "add", HERE, "peer", OUTSIDE, "dev", door);
  await ip("link", "set", door, "up");
  await ip("-n", outside, "link", "set", doorOutside, "up");
  await ip("-n", outside, "route", "add", HERE, "dev", doorOutside, "src", OUTSIDE);
}
