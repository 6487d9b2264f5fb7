import { getLogger, LoggerNames, LogLevel } from "livekit-client";
import { render } from "preact";
import { App } from "./app";
import { pickLanguage, useLanguage } from "./texts";
import "./style/base.css";
import "./style/controls.css";
import "./style/pages.css";
import "./style/call.css";
import "./style/lead.css";

// The SDK tells the console who is in the session; a console is read by whoever uses the computer next.
// The default level is not kept in the browser's storage; a level that is set would be.
for (const name of Object.values(LoggerNames)) getLogger(name).setDefaultLevel(LogLevel.error);

const root = document.getElementById("app");
if (root) {
  await useLanguage(pickLanguage(navigator.languages));
  render(<App />, root);
}
