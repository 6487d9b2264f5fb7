// Makes the pictures of the README: a real couples session on the built page, with drawn people in place of cameras.
//
//     node pictures.mjs            # writes ../../docs/images
import { openClinic, onNow, ALEX, ROBIN, SANDERS } from "./harness/clinic.mjs";
import { drawCamera, PORTRAITS } from "./harness/portrait.mjs";
import { until } from "./harness/until.mjs";
import { Visitor } from "./harness/visitor.mjs";

const IMAGES = new URL("../../docs/images/", import.meta.url).pathname;
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 780 };

const cleaners = [];
try {
  const clinic = await openClinic({ after: (clean) => cleaners.push(clean) });
  const session = await clinic.session(onNow(50));
  const come = async (person, viewport) => {
    const page = await clinic.chromium.open(`${clinic.server.page}/`, { viewport });
    await page.addInitScript(drawCamera, PORTRAITS[person.identity]);
    await page.goto(await clinic.invite(session, person));
    const visitor = new Visitor(page, person.identity, person.name);
    await visitor.join();
    return visitor;
  };
  const take = (visitor, name) => visitor.page.screenshot({ path: `${IMAGES}${name}.png` });
  /** Shows the layer that a laptop gets once the line is known to be good. */
  const isSharp = (visitor) =>
    until("the picture is sharp", () =>
      visitor.page.evaluate(() => {
        const others = [...document.querySelectorAll(".tile:not(.tile-corner) video")];
        const frames = (video) => video.getVideoPlaybackQuality().totalVideoFrames;
        if (!others.every((video) => video.videoWidth >= 640)) window.sharpSince = null;
        else window.sharpSince ??= Math.min(...others.map(frames));
        // Colours take a while to come after shapes.
        return window.sharpSince !== null && Math.min(...others.map(frames)) > window.sharpSince + 240;
      }),
      120_000,
    );
  const pictures = (visitor, count) =>
    until("everybody is shown", async () => (await visitor.page.locator(".tile video").count()) === count);

  const sanders = await come(SANDERS, WIDE);
  await sanders.isInCall();
  const alex = await come(ALEX, PHONE);
  await alex.isWaiting();
  await sanders.press("Let in Alex");
  await alex.isInCall();
  const robin = await come(ROBIN, PHONE);
  await robin.isWaiting();
  await sanders.page.getByText("1 person is waiting.").waitFor({ state: "attached" });
  await isSharp(sanders);
  await take(sanders, "waiting");
  await sanders.press("Let in Robin");
  await robin.isInCall();
  for (const visitor of [sanders, alex, robin]) {
    await visitor.perceives();
    await pictures(visitor, 3);
  }
  await until("notices are gone", async () => (await alex.page.locator(".banner").count()) === 0);
  await take(alex, "client");
  await sanders.press("Talk in private with Alex");
  await robin.isOnHold();
  await sanders.page.getByText(/Confirmed by the server/).waitFor();
  await until("only Alex is shown", async () => (await sanders.pictures()).join() === "Alex");
  await isSharp(sanders);
  await take(sanders, "private-conversation");
  await take(robin, "hold");
} finally {
  for (const clean of cleaners.reverse()) await clean();
}
