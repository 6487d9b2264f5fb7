// The control API as the page uses it: JSON over fetch with the session's token, refusals as problems (RFC 9457).
// Same origin only; the token is in a header, never in an address.

/** Why a request was not carried out. `kind` is the last part of the problem's type, a stable word of the server. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
  ) {
    super(`${status} ${kind}`);
    this.name = "Problem";
  }

  /** Nobody answered: the line or the server is down. */
  get unreachable(): boolean {
    return this.status === 0;
  }
}

export interface Redeemed {
  readonly token: string;
  readonly session: string;
  readonly identity: string;
  readonly role: string;
  readonly name?: string | null;
}

type Method = "GET" | "POST" | "PUT" | "DELETE";

/** Long enough for a phone that wakes its radio, short enough that a person still waits. */
const PATIENCE_MS = 15_000;

const lastPart = (type: unknown): string => (typeof type === "string" ? (type.split(/[/:#]/).pop() ?? "") : "");

async function problemOf(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => null);
  const type = typeof body === "object" && body !== null ? (body as Record<string, unknown>)["type"] : "";
  return new Problem(response.status, lastPart(type));
}

/** Names one attempt, so that sent again after a broken line it is carried out once. */
export const attemptKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export function headers(
  token: string | null,
  method: Method,
  hasBody: boolean,
  attempt = attemptKey(),
): Record<string, string> {
  return {
    accept: "application/json",
    ...(token ? { authorization: `Bearer ${token}` } : {}),
    ...(hasBody ? { "content-type": "application/json" } : {}),
    ...(method === "POST" ? { "idempotency-key": attempt } : {}),
  };
}

export async function request(
  token: string | null,
  method: Method,
  path: string,
  body?: unknown,
  attempt?: string,
): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: headers(token, method, body !== undefined, attempt),
      body: body === undefined ? null : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    throw new Problem(0, "unreachable");
  }
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : response.json().catch(() => null);
}

/** An open answer to be read piece by piece, and the server's clock as it was told with it. */
export async function open(token: string, path: string, signal: AbortSignal): Promise<{ body: Body; date: number }> {
  let response: Response;
  try {
    response = await fetch(path, {
      headers: { ...headers(token, "GET", false), accept: "text/event-stream" },
      cache: "no-store",
      credentials: "omit",
      signal,
    });
  } catch {
    throw new Problem(0, "unreachable");
  }
  if (!response.ok || !response.body) throw await problemOf(response);
  return { body: response.body, date: Date.parse(response.headers.get("date") ?? "") };
}

type Body = ReadableStream<Uint8Array<ArrayBuffer>>;

/** Exchanges the secret of a join link for a session token. It works once; the same attempt may be made again. */
export async function redeem(ticket: string, attempt: string): Promise<Redeemed> {
  return (await request(null, "POST", "/v1/tickets/redeem", { ticket }, attempt)) as Redeemed;
}
