// A clinic: a server whose sessions are made by its API, and people who come to them by links.
import assert from "node:assert/strict";
import { launchChromium } from "./browsers.mjs";
import { CLINIC, HERE, startServer } from "./server.mjs";
import { Visitor } from "./visitor.mjs";

/** A couple and their therapist. */
export const SANDERS = { identity: "sanders", name: "Dr. Sanders", role: "therapist" };
export const ALEX = { identity: "alex", name: "Alex", role: "client" };
export const ROBIN = { identity: "robin", name: "Robin", role: "client" };

const MINUTE_MS = 60_000;

/** On now, for `minutes`, and ending by itself ten minutes later. */
export const onNow = (minutes = 50) => ({
  schedule: { starts_at_ms: Date.now() - MINUTE_MS, planned_minutes: minutes, opens_minutes_before: 15 },
  policy: { end_after_schedule_minutes: 10 },
});

/** `where`: what is other than usual about the server's place (see `startServer`). `launch`: of its people's browser. */
export async function openClinic(t, where = {}, launch = () => launchChromium()) {
  const server = await startServer(null, CLINIC, { ...HERE, ...where });
  t.after(() => server.stop());
  const chromium = await launch(server);
  t.after(() => chromium.close());

  /** With the clinic's key, or with somebody's session token. */
  const ask = async (method, path, body, key = server.apiKey) => {
    const response = await fetch(`${server.page}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: text && response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text };
  };

  const make = async (method, path, body) => {
    const answer = await ask(method, path, body);
    assert.equal(answer.status, 201, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };

  /** A session of a couple; its id. */
  const session = async (words = {}) => (await make("POST", "/v1/sessions", { kind: "couple", ...words })).id;

  /** A link for one person, as the clinic would send it. */
  const invite = async (session, person) => (await make("POST", `/v1/sessions/${session}/tickets`, person)).link;

  /** Opens the person's link in a browser of their own. */
  const visit = async (session, person, context, open = chromium.open) => {
    const page = await open(await invite(session, person), context);
    return new Visitor(page, person.identity, person.name);
  };

  /** To be called last: nothing went to another host, no page threw, the server raised no alarm. */
  const checkClean = async () => {
    assert.deepEqual(await chromium.foreignHosts(), [], "requests to other hosts");
    assert.deepEqual(chromium.errors, [], "errors in pages");
    assert.deepEqual(server.alarms(), [], "errors in the server's log");
  };

  return { server, chromium, ask, session, invite, visit, checkClean };
}

/** The three of a couples session, all inside. */
export async function openCouplesSession(t, words = {}) {
  const clinic = await openClinic(t);
  const session = await clinic.session(words);
  const sanders = await clinic.visit(session, SANDERS);
  await sanders.joinCall();
  const partners = [];
  for (const person of [ALEX, ROBIN]) {
    const visitor = await clinic.visit(session, person);
    await visitor.join();
    await visitor.isWaiting();
    await sanders.press(`Let in ${person.name}`);
    await visitor.isInCall();
    partners.push(visitor);
  }
  const [alex, robin] = partners;
  await Promise.all([sanders, alex, robin].map((person) => person.perceives()));
  return { clinic, session, sanders, alex, robin };
}
