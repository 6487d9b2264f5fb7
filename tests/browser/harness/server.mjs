// A `parlour serve` of our own on free ports: with a key that the tests sign tokens with and rooms that a token opens, or
// as a clinic has it, with an API key and sessions that are made.
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "./port.mjs";
import { API_KEY, API_SECRET } from "./token.mjs";
import { until } from "./until.mjs";

const ROOT = new URL("../../../", import.meta.url).pathname;
const BINARY = process.env.PARLOUR_BIN ?? join(ROOT, "target/debug/parlour");
/** What a run of the tests may not contain: ERROR means that a human must act. */
const ALARM = /\bERROR\b|panicked at/;

/** Any token opens a room, nobody waits, and a reload takes its own seat over. */
const ROOMS = `
ad_hoc = true
waiting_room = false
duplicate_identity = "replace"
max_participants = 8
`;

/** Sessions are made through the API, and clients wait until they are let in. */
export const CLINIC = "ad_hoc = false\nwaiting_room = true";

const config = ({ http, media }, sessions, { at, mediaAt, advertise = [], quickExit = null }) => `
[http]
listen = "${at}:${http}"
${quickExit ? `quick_exit_url = "${quickExit}"` : ""}

[media]
addresses = ["${mediaAt}"]
${advertise.length ? `advertise = ${JSON.stringify(advertise)}` : ""}
first_port = ${media}
stun_port = 0
workers = 1

[sessions]
${sessions}

[keys.${API_KEY}]
secret = "${API_SECRET}"
`;

async function makeApiKey(file) {
  const { stdout } = await promisify(execFile)(BINARY, ["key", "create", "--config", file, "--scopes", "all"]);
  return stdout.trim().split(/\s+/).find((word) => word.startsWith("pk_"));
}

/** On this machine, for the browsers on it. `advertise`: where clients are told that media is, if not
 * there. `quickExit`: where a quick exit leads to. */
export const HERE = { at: "127.0.0.1", mediaAt: "0.0.0.0", spawn };

/** With the ports of one that ended, clients find the new one where the old one was. `where`: another network. */
export async function startServer(ports = null, sessions = ROOMS, where = HERE) {
  const folder = await mkdtemp(join(tmpdir(), "parlour-browser-"));
  const { http, media } = ports ?? { http: await freePort(), media: await freePort() };
  const file = join(folder, "parlour.toml");
  await writeFile(file, config({ http, media }, sessions, where));
  const apiKey = sessions === CLINIC ? await makeApiKey(file) : null;

  const child = where.spawn(BINARY, ["serve", "--config", file], { stdio: ["ignore", "pipe", "pipe"] });
  const output = [];
  child.stdout.on("data", (chunk) => output.push(String(chunk)));
  child.stderr.on("data", (chunk) => output.push(String(chunk)));
  const exit = new Promise((resolve, reject) => {
    child.once("error", (error) => (output.push(`cannot run ${BINARY}: ${error.message}`), reject(error)));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  exit.catch(() => undefined);

  const page = `http://${where.at === HERE.at ? "localhost" : where.at}:${http}`;
  const said = () => output.join("");
  try {
    const ended = exit.then(() => Promise.reject(new Error("the server ended")));
    ended.catch(() => undefined);
    const isReady = where.at === HERE.at ? async () => (await fetch(`${page}/readyz`)).ok : async () => said().includes("serving");
    await Promise.race([ended, until("the server is ready", isReady)]);
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`${error.message}\n${said()}`);
  }

  return {
    page,
    url: page.replace("http", "ws"),
    ports: { http, media },
    apiKey,
    output: said,
    /** Lines that a healthy run does not have. */
    alarms: () => said().split("\n").filter((line) => ALARM.test(line)),
    /** As Ctrl-C does. Resolves with how the process ended. */
    interrupt: () => (child.kill("SIGINT"), exit),
    /** As a power cut does. */
    kill: () => (child.kill("SIGKILL"), exit),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGINT");
        const patience = setTimeout(() => child.kill("SIGKILL"), 10_000);
        await exit;
        clearTimeout(patience);
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}
