// Ports for servers of a test.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below those that systems give to sockets without one (Linux: from 32768): browsers open many, and a server that is
 * started again must find its own. */
const FIRST = 20_000;
const LAST = 32_000;

/** Free for TCP and for UDP. */
export async function freePort() {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    const tcp = createServer();
    const udp = createSocket("udp4");
    try {
      tcp.listen(port, "0.0.0.0");
      await once(tcp, "listening");
      udp.bind(port, "0.0.0.0");
      await once(udp, "listening");
      return port;
    } catch (error) {
      if (error.code !== "EADDRINUSE") throw error;
    } finally {
      await new Promise((resolve) => tcp.close(resolve));
      await new Promise((resolve) => udp.close(resolve));
    }
  }
  throw new Error("no port is free");
}
