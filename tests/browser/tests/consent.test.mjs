// The text a client accepts is the one on the screen.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALEX, openClinic } from "../harness/clinic.mjs";
import { button } from "../harness/page.mjs";

const CONSENT = { id: "v1", text: "Nothing is recorded." };

/** As by somebody in between: what the server says of the text is left, the text is another. */
const otherText = () => {
  const fetchAsItIs = window.fetch;
  window.fetch = async (...asked) => {
    const answer = await fetchAsItIs(...asked);
    if (!String(asked[0]).includes("/view/stream")) return answer;
    const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
    const changed = new TransformStream({
      transform: (bytes, to) => to.enqueue(encoder.encode(decoder.decode(bytes).replace("Nothing is", "Everything is"))),
    });
    return new Response(answer.body.pipeThrough(changed), { status: answer.status, headers: answer.headers });
  };
};

test("a text that is not the one to be accepted cannot be accepted", async (t) => {
  const clinic = await openClinic(t);
  const session = await clinic.session({ policy: { consent: CONSENT } });
  const page = await clinic.chromium.open(`${clinic.server.page}/`);
  await page.addInitScript(otherText);
  await page.goto(await clinic.invite(session, ALEX));
  await page.getByText("Everything is recorded.").waitFor();
  await page.getByText("This text is not the one that your clinic asks you to accept.").waitFor();
  await page.getByLabel("I have read this and agree.").check();
  assert.equal(await button(page, "Continue").isEnabled(), false);
  await button(page, "I do not agree").click();
  const { body } = await clinic.ask("GET", `/v1/sessions/${session}/consents`);
  assert.deepEqual(body.consents, []);
  await clinic.checkClean();
});
