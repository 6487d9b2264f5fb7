import { LogLevel, setLogLevel } from "livekit-client";
import { render } from "preact";
import { App } from "./app";
import { pickLanguage, useLanguage } from "./texts";
import "./style/base.css";
import "./style/controls.css";
import "./style/pages.css";
import "./style/call.css";
import "./style/lead.css";

// The SDK tells the console who is in the session; a console is read by whoever uses the computer next.
setLogLevel(LogLevel.error);

const root = document.getElementById("app");
if (root) {
  await useLanguage(pickLanguage(navigator.languages));
  render(<App />, root);
}
