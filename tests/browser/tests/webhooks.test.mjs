// Webhooks to a receiver in Node, checked with the libraries a receiver would use: npm standardwebhooks, and the
// WebhookReceiver of npm livekit-server-sdk.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { RoomServiceClient, WebhookReceiver } from "livekit-server-sdk";
import { Webhook } from "standardwebhooks";
import { freePort } from "../harness/port.mjs";
import { API_KEY, API_SECRET } from "../harness/token.mjs";
import { until } from "../harness/until.mjs";

const BINARY = process.env.PARLOUR_BIN ?? new URL("../../../target/debug/parlour", import.meta.url).pathname;

const listening = (server) =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));

const config = (http) => `
[http]
listen = "127.0.0.1:${http}"

[media]
first_port = 0
stun_port = 0
workers = 1

[sessions]
ad_hoc = true

[webhooks]
allow_plain = true
allow_private = true

[keys.${API_KEY}]
secret = "${API_SECRET}"
`;

async function startParlour(t) {
  const folder = await mkdtemp(join(tmpdir(), "parlour-webhooks-"));
  const file = join(folder, "parlour.toml");
  const port = await freePort();
  await writeFile(file, config(port));
  const { stdout } = await promisify(execFile)(BINARY, ["key", "create", "--config", file, "--scopes", "all"]);
  const child = spawn(BINARY, ["serve", "--config", file], { stdio: "ignore" });
  const exit = new Promise((resolve) => child.once("exit", resolve));
  t.after(async () => {
    child.kill("SIGINT");
    await exit;
    await rm(folder, { recursive: true, force: true });
  });
  const page = `http://127.0.0.1:${port}`;
  await until("the server is ready", async () => (await fetch(`${page}/readyz`)).ok);
  const ask = async (method, path, body) => {
    const headers = { authorization: `Bearer ${stdout.trim()}`, "content-type": "application/json" };
    const answer = await fetch(`${page}/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.json();
  };
  return { page, ask };
}

/** Keeps what comes. */
async function startReceiver(t) {
  const requests = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    requests.push({ headers: request.headers, body });
    response.writeHead(204).end();
  });
  const port = await listening(server);
  t.after(() => server.close());
  return { requests, url: `http://127.0.0.1:${port}/` };
}

test("receivers' own libraries take what is sent", async (t) => {
  const parlour = await startParlour(t);
  const [standard, livekit] = [await startReceiver(t), await startReceiver(t)];
  const { secret } = await parlour.ask("POST", "/webhook-endpoints", { url: standard.url });
  await parlour.ask("POST", "/webhook-endpoints", { url: livekit.url, form: "livekit" });
  const rooms = new RoomServiceClient(parlour.page, API_KEY, API_SECRET);
  const { sid } = await rooms.createRoom({ name: "s" });
  await rooms.deleteRoom("s");

  await t.test("standardwebhooks", async () => {
    await until("the end was told", () => standard.requests.some(({ body }) => body.includes('"session.ended"')));
    const webhook = new Webhook(secret);
    const events = standard.requests.map(({ body, headers }) => webhook.verify(body, headers));
    assert.deepEqual([events[0].type, events[0].data.seq, events[0].data.room], ["session.started", 1, sid]);
    const { body, headers } = standard.requests[0];
    assert.throws(() => webhook.verify(body.replace("s", "t"), headers));
    assert.throws(() => webhook.verify(body, { ...headers, "webhook-id": "evt_other" }));
  });

  await t.test("livekit-server-sdk", async () => {
    await until("the end was told", () => livekit.requests.length === 2);
    const receiver = new WebhookReceiver(API_KEY, API_SECRET);
    const take = ({ body, headers }) => receiver.receive(body, headers.authorization);
    const events = await Promise.all(livekit.requests.map(take));
    assert.deepEqual(events.map(({ event, room }) => [event, room.name, room.sid]), [
      ["room_started", "s", sid],
      ["room_finished", "s", sid],
    ]);
    const { body, headers } = livekit.requests[0];
    await assert.rejects(take({ body: body.replace("s", "t"), headers }));
    await assert.rejects(new WebhookReceiver(API_KEY, "another secret that is long enough").receive(body, headers.authorization));
  });
});
