// What is written in a session held in text. It lives in this page only: nothing of it is stored anywhere, and who comes
// later or was held does not get it afterwards.
import { signal } from "@preact/signals";
import { RoomEvent, type Room } from "livekit-client";

export interface Line {
  readonly number: number;
  readonly mine: boolean;
  readonly name: string;
  readonly text: string;
  readonly atMs: number;
}

/** As LiveKit's own components name it, so that integrators' pages and ours understand each other. */
const TOPIC = "lk.chat";
/** Longer than anybody writes at once. */
export const MAX_TEXT = 4_000;
/** Older lines are let go of: a long session must not fill the memory of a phone. */
const MAX_LINES = 1_000;
/** The server keeps what it cannot be sure was written with them in mind from those who come back, for half a second or more. */
const NEWS_SETTLES_MS = 1_200;

export class Chat {
  readonly lines = signal<readonly Line[]>([]);
  readonly #room: Room;
  #number = 0;
  #grewAt = -NEWS_SETTLES_MS;

  constructor(room: Room) {
    this.#room = room;
    room.on(RoomEvent.ParticipantConnected, () => (this.#grewAt = performance.now()));
    room.registerTextStreamHandler(TOPIC, async (reader, { identity }) => {
      const text = await reader.readAll().catch(() => "");
      const name = room.remoteParticipants.get(identity)?.name ?? "";
      if (text && text.length <= MAX_TEXT) this.#add(false, name, text);
    });
  }

  /** To these people, whatever happens to the room meanwhile. Without anybody there is nobody to send it to. */
  async send(text: string, readers: readonly string[]): Promise<void> {
    for (let rest = this.#unsettledMs(); rest > 0; rest = this.#unsettledMs()) {
      await new Promise((resolve) => setTimeout(resolve, rest));
    }
    const destinationIdentities = [...readers];
    if (destinationIdentities.length) await this.#room.localParticipant.sendText(text, { topic: TOPIC, destinationIdentities });
    this.#add(true, this.#room.localParticipant.name ?? "", text);
  }

  #unsettledMs(): number {
    return this.#grewAt + NEWS_SETTLES_MS - performance.now();
  }

  #add(mine: boolean, name: string, text: string): void {
    this.#number += 1;
    const line = { number: this.#number, mine, name, text, atMs: Date.now() };
    this.lines.value = [...this.lines.value, line].slice(-MAX_LINES);
  }
}
