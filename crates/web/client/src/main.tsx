import { render } from "preact";
import { App } from "./app";
import { pickLanguage, useLanguage } from "./texts";
import "./style/base.css";
import "./style/controls.css";
import "./style/pages.css";
import "./style/call.css";
import "./style/lead.css";

const root = document.getElementById("app");
if (root) {
  await useLanguage(pickLanguage(navigator.languages));
  render(<App />, root);
}
