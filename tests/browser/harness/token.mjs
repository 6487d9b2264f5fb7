// Access tokens, signed here as an integrator's backend would: HS256, LiveKit's grants, our role.
import { createHmac } from "node:crypto";

export const API_KEY = "browser-tests";
export const API_SECRET = "only-for-the-browser-tests-on-localhost";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

export function token({ session, identity, name = identity, role = "client", seconds = 3600 }) {
  const now = Math.floor(Date.now() / 1000);
  const content = [
    part({ alg: "HS256", typ: "JWT" }),
    part({
      iss: API_KEY,
      sub: identity,
      name,
      nbf: now - 10,
      exp: now + seconds,
      video: { room: session, roomJoin: true },
      parlour: { role },
    }),
  ].join(".");
  return `${content}.${createHmac("sha256", API_SECRET).update(content).digest("base64url")}`;
}
