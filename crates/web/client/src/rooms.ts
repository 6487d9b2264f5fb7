// Who sits in one room with devices of their own. The server keeps pairs; people mean rooms. Pure: pairs go in, rooms come
// out, and back.
import { sameRoom, type Pair, type SameRoom, type SessionView } from "./view";

/** What two in one room do not get of each other. */
export type Kept = Exclude<SameRoom, "apart">;

export interface SharedRoom {
  readonly members: readonly string[];
  readonly kept: Kept;
  /** Each of them is paired with each other one. Clients speak for themselves only, so a room may be said in part. */
  readonly whole: boolean;
}

/** Two are in one room, too, when both are with a third. */
export function rooms(view: SessionView | null, present: readonly string[]): SharedRoom[] {
  const left = [...present];
  const found: SharedRoom[] = [];
  for (let first = left.shift(); first !== undefined; first = left.shift()) {
    const members = [first];
    for (const member of members) {
      const joined = left.filter((other) => sameRoom(view, member, other) !== "apart");
      for (const other of joined) members.push(...left.splice(left.indexOf(other), 1));
    }
    if (members.length > 1) found.push(described(view, members));
  }
  return found;
}

function described(view: SessionView | null, members: readonly string[]): SharedRoom {
  const ways = pairs(members).map(([a, b]) => sameRoom(view, a, b));
  const kept = ways.find((how): how is Kept => how !== "apart") ?? "audio";
  return { members, kept, whole: !ways.includes("apart") };
}

/** What has to be said so that those in `wanted`, and nobody else of `before`, share a room. */
export function changes(view: SessionView | null, before: readonly string[], wanted: readonly string[], kept: Kept): Pair[] {
  const all = [...new Set([...before, ...wanted])];
  const isIn = (identity: string): boolean => wanted.length > 1 && wanted.includes(identity);
  const meant = pairs(all).map(([a, b]): Pair => ({ a, b, how: isIn(a) && isIn(b) ? kept : "apart" }));
  return meant.filter(({ a, b, how }) => sameRoom(view, a, b) !== how);
}

function pairs(people: readonly string[]): [string, string][] {
  return people.flatMap((a, index) => people.slice(index + 1).map((b): [string, string] => [a, b]));
}
