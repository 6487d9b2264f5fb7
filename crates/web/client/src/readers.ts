// For whom something is written: those who were there from its first letter to its sending. Pure.

/** Identities. */
export type Readers = ReadonlySet<string>;

interface Reader {
  readonly identity: string;
}

export const identities = (people: readonly Reader[]): string[] => people.map(({ identity }) => identity);

/** Those of `meant` who have not gone meanwhile; the same set if nobody has. */
export function stillThere(meant: Readers, here: readonly Reader[]): Readers {
  const left = identities(here).filter((identity) => meant.has(identity));
  return left.length === meant.size ? meant : new Set(left);
}

/** Who is here and was not while it was written. */
export function unmeant<Person extends Reader>(meant: Readers | null, here: readonly Person[]): Person[] {
  return meant ? here.filter(({ identity }) => !meant.has(identity)) : [];
}
