// Screenshots for people to look at; not kept in the repository.
import { mkdirSync } from "node:fs";

const folder = new URL("../artifacts/", import.meta.url).pathname;
mkdirSync(folder, { recursive: true });

export const picture = (page, name) => page.screenshot({ path: `${folder}${name}.png` });
