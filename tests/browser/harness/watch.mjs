// Proof that a page speaks to this machine only: every request, every WebSocket, every ICE server that a peer
// connection is given and every server that a candidate came from.

import { networkInterfaces } from "node:os";

/** The server names this machine's own addresses too. */
const LOCAL = new Set([
  "localhost",
  ...Object.values(networkInterfaces())
    .flat()
    .map(({ address, family }) => (family === "IPv6" ? `[${address}]` : address)),
]);

const isLocal = (url) => {
  const { protocol, hostname } = new URL(url);
  return protocol === "blob:" || protocol === "data:" || protocol === "about:" || LOCAL.has(hostname);
};

/** Runs in the page before its own scripts. */
export function watchConnections() {
  const Native = window.RTCPeerConnection;
  window.connections = [];
  window.iceUrls = [];
  const note = (configuration) => {
    for (const server of configuration?.iceServers ?? []) window.iceUrls.push(...[server.urls].flat());
  };
  window.RTCPeerConnection = class extends Native {
    constructor(configuration, ...rest) {
      super(configuration, ...rest);
      note(configuration);
      window.connections.push(this);
      this.addEventListener("icecandidate", ({ candidate }) => {
        if (candidate?.url) window.iceUrls.push(candidate.url);
      });
    }

    setConfiguration(configuration) {
      note(configuration);
      super.setConfiguration(configuration);
    }
  };
}

export class Watch {
  foreign = [];

  see(url) {
    if (!isLocal(url)) this.foreign.push(url);
  }

  /** Ice URLs look like `stun:host:port`. */
  seeIce(urls) {
    for (const url of urls) this.see(url.replace(/^(stuns?|turns?):/, "http://"));
  }
}
