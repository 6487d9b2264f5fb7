// The join link. What it carries travels in the fragment, which browsers never send to a server, and leaves the address
// bar at once so that it is in no bookmark, screenshot or shared screen. The session's token is kept for this tab only,
// so that a reload comes back; leaving forgets it.
import { attemptKey } from "./api";

/** What the token says about its bearer. Only shown here: the server decides what is true. */
export interface Ticket {
  readonly token: string;
  readonly session: string;
  readonly identity: string;
  readonly name: string;
  readonly role: string;
  /** Key for end-to-end encryption, when the link carries one. It never leaves the browser. */
  readonly key: string | null;
}

/** A link that is exchanged for a token, once. */
export interface Invitation {
  readonly secret: string;
  /** Names this use of it, so that a broken line does not use it up. */
  readonly attempt: string;
  readonly key: string | null;
}

export type Link = Ticket | Invitation;

export const isInvitation = (link: Link): link is Invitation => "secret" in link;

const STORED = "parlour.ticket";
/** JWTs of ours are about 500 bytes; anything beyond this is not one. */
const MAX_TOKEN_LENGTH = 8192;
/** A ticket, pasted without the rest of its link. */
const TICKET = /^[A-Za-z0-9._~-]{16,512}$/;
/** The code of a hand-over, once spaces and dashes are out of it. */
const CODE = /^[a-hj-np-z2-9]{10}$/i;

const isSecret = (typed: string): boolean => TICKET.test(typed) || CODE.test(typed.replace(/[\s-]/g, ""));

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
  return {
    token,
    key,
    session: text(member(found["video"], "room")),
    identity: text(found["sub"]),
    name: text(found["name"]),
    role: text(member(found["parlour"], "role")) || text(member(found["attributes"], "parlour.role")),
  };
}

const invitation = (secret: string, key: string | null): Invitation => ({ secret, key, attempt: attemptKey() });

/** Reads `#ticket=…` or `#token=…`, each with `[&key=…]`, of a link or of a fragment alone, or a bare code. */
export function parseLink(link: string): Link | null {
  const hash = link.indexOf("#");
  if (hash < 0) return isSecret(link.trim()) ? invitation(link.trim(), null) : null;
  const values = new URLSearchParams(link.slice(hash + 1));
  const key = values.get("key");
  const secret = values.get("ticket")?.trim();
  if (secret) return invitation(secret, key);
  const token = values.get("token");
  return token ? readTicket(token.trim(), key) : null;
}

/** The link of the address bar (and cleans it), else the ticket of before a reload. */
export function takeLink(): Link | null {
  const fresh = parseLink(location.hash);
  if (location.hash) history.replaceState(null, "", location.pathname);
  if (fresh) {
    if (!isInvitation(fresh)) keepTicket(fresh);
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

/** The link for another device of the same person. */
export function handOverLink(secret: string, key: string | null): string {
  const values = new URLSearchParams({ ticket: secret });
  if (key) values.set("key", key);
  return `${location.origin}/join#${values}`;
}
