// Serves pages/ with unmodified livekit-client from npm, from an origin that is not the server's: an integrator's site.
import { build } from "esbuild";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const pages = new URL("../pages/", import.meta.url);
const require = createRequire(import.meta.url);

export async function bundle() {
  const result = await build({
    entryPoints: [new URL("sdk.mjs", pages).pathname],
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  return result.outputFiles[0].text;
}

export async function serveSdkPages() {
  const worker = require.resolve("livekit-client/e2ee-worker").replace(/\.js$/, ".mjs");
  const files = {
    "/": ["text/html; charset=utf-8", await readFile(new URL("sdk.html", pages))],
    "/sdk.js": ["text/javascript", await bundle()],
    "/e2ee-worker.js": ["text/javascript", await readFile(worker)],
  };
  const server = createServer((request, response) => {
    const file = files[new URL(request.url, "http://localhost").pathname];
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": file[0] }).end(file[1]);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://localhost:${server.address().port}/`,
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))),
  };
}
