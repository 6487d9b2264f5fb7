// Builds the page into dist/, which the Rust crate embeds. Every file under assets/ has its hash in its name,
// so the server may let browsers keep it for a year; index.html is the only file that is asked for again.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  build: {
    target: "es2022",
    // Inlined data: URLs would need holes in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // livekit-client alone is above the default of 500 kB; it is embedded and compressed, not fetched from afar.
    chunkSizeWarningLimit: 1200,
  },
  worker: { format: "es" },
  server: {
    // `npm run dev` beside a running `parlour serve`.
    proxy: { "/rtc": { target: "http://localhost:7880", ws: true } },
  },
});
