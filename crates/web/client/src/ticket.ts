// The join link. Its token travels in the fragment, which browsers never send to a server, and leaves the address bar
// at once so that it is in no bookmark, screenshot or shared screen. It is kept for this tab only, so that a reload
// comes back to the session; leaving forgets it.

/** What the token says about its bearer. Only shown here: the server decides what is true. */
export interface Ticket {
  readonly token: string;
  readonly name: string;
  readonly role: string;
  /** Key for end-to-end encryption, when the link carries one. It never leaves the browser. */
  readonly key: string | null;
}

const STORED = "parlour.ticket";
/** JWTs of ours are about 500 bytes; anything beyond this is not one. */
const MAX_TOKEN_LENGTH = 8192;

function claims(token: string): Record<string, unknown> | null {
  const parts = token.split(".");
  const payload = parts[1];
  if (parts.length !== 3 || !payload || token.length > MAX_TOKEN_LENGTH) return null;
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;

export function readTicket(token: string, key: string | null = null): Ticket | null {
  const found = claims(token);
  if (!found) return null;
  const role = text(member(found["parlour"], "role")) || text(member(found["attributes"], "parlour.role"));
  return { token, key, name: text(found["name"]), role };
}

/** Reads `#token=…[&key=…]` of a link, or of a fragment alone. */
export function parseLink(link: string): Ticket | null {
  const hash = link.indexOf("#");
  if (hash < 0) return null;
  const values = new URLSearchParams(link.slice(hash + 1));
  const token = values.get("token");
  return token ? readTicket(token.trim(), values.get("key")) : null;
}

/** The ticket of the address bar (and cleans it), else that of before a reload. */
export function takeTicket(): Ticket | null {
  const fresh = parseLink(location.hash);
  if (location.hash) history.replaceState(null, "", location.pathname);
  if (fresh) {
    keepTicket(fresh);
    return fresh;
  }
  const stored = sessionStorage.getItem(STORED);
  return stored ? parseLink(stored) : null;
}

export function keepTicket(ticket: Ticket): void {
  const values = new URLSearchParams({ token: ticket.token });
  if (ticket.key) values.set("key", ticket.key);
  sessionStorage.setItem(STORED, `#${values}`);
}

export function forgetTicket(): void {
  sessionStorage.clear();
}
