// What is accepted is the text that was shown: its hash is made here, of what is on the screen, and compared with the one
// that the server asks for.

const digits = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** SHA-256 of a text's UTF-8 bytes, in hexadecimal. */
export async function hashOf(text: string): Promise<string> {
  return digits(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

/** Whether this is, byte for byte, the text of that hash. */
export const isTextOf = async (text: string, sha256: string): Promise<boolean> =>
  (await hashOf(text)) === sha256.toLowerCase();
