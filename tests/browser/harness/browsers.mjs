// Debian's browsers with fake cameras, without a screen. Chromium through playwright-core, Firefox through WebDriver BiDi.
import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";
import { Watch, watchConnections } from "./watch.mjs";

const CHROMIUM = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";
const FIREFOX = process.env.FIREFOX_BIN ?? "/usr/bin/firefox-esr";

export const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--use-fake-ui-for-media-stream",
  "--use-fake-device-for-media-stream",
  "--auto-accept-this-tab-capture",
  "--autoplay-policy=no-user-gesture-required",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
];

const FIREFOX_PREFERENCES = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  // Firefox hides host addresses behind mDNS names otherwise, which nothing resolves in a container.
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "media.peerconnection.ice.loopback": true,
  // H.264 would be fetched from afar.
  "media.gmp-manager.url": "",
  "media.gmp-provider.enabled": false,
  "app.update.auto": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "browser.safebrowsing.downloads.remote.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
};

/** A Chromium whose pages each have a context, hence a process, of their own. */
export async function launchChromium(extraFlags = [], executablePath = CHROMIUM) {
  const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS, ...extraFlags] });
  const watch = new Watch();
  const errors = [];
  const open = async (url, context = {}) => {
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 }, ...context })).newPage();
    page.on("request", (request) => watch.see(request.url()));
    page.on("websocket", (socket) => watch.see(socket.url().replace(/^ws/, "http")));
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.addInitScript(watchConnections);
    await page.goto(url);
    return page;
  };
  return {
    open,
    errors,
    watch,
    /** All hosts that pages asked for, including by ICE; must be ours. */
    foreignHosts: async () => {
      for (const page of browser.contexts().flatMap((context) => context.pages())) {
        watch.seeIce(await page.evaluate(() => window.iceUrls ?? []).catch(() => []));
      }
      return watch.foreign;
    },
    close: () => browser.close(),
  };
}

/** A Chromium whose machine can vanish: all of its processes stand still at once, and nobody is told. */
export async function launchDoomedChromium() {
  const server = await chromium.launchServer({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS });
  const browser = await chromium.connect(server.wsEndpoint());
  // A process group of its own, with the network's and the pages' processes in it.
  const signal = (name) => process.kill(-server.process().pid, name);
  return {
    open: async (url) => {
      const page = await (await browser.newContext()).newPage();
      await page.goto(url);
      return page;
    },
    vanish: () => signal("SIGSTOP"),
    close: async () => {
      signal("SIGCONT");
      await server.kill();
    },
  };
}

export async function launchFirefox() {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: FIREFOX,
    headless: true,
    extraPrefsFirefox: FIREFOX_PREFERENCES,
  });
  const watch = new Watch();
  return {
    open: async (url) => {
      const page = await browser.newPage();
      page.on("request", (request) => watch.see(request.url()));
      await page.evaluateOnNewDocument(watchConnections);
      await page.goto(url);
      return page;
    },
    watch,
    close: () => browser.close(),
  };
}
