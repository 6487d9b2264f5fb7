// The call: one livekit-client room and what the views need of it as signals. No markup here.
import { batch, computed, effect, signal } from "@preact/signals";
import { ExternalE2EEKeyProvider, Room, RoomEvent, Track, type RemoteTrack } from "livekit-client";
import type { DisconnectReason, LocalAudioTrack, LocalVideoTrack, Participant, TrackPublication } from "livekit-client";
import E2eeWorker from "livekit-client/e2ee-worker?worker";
import { Carried, isMissing, type Voice, type Voices } from "./carried";
import { Chat } from "./chat";
import { chosen, LIVEKIT_KINDS, remember, wanted, type DeviceKind } from "./devices";
import { isExiting } from "./exit";
import { Frames, framesOf } from "./frames";
import { captureAudio, captureVideo, roomOptions } from "./media";
import { others, person, ROLE_ATTRIBUTE, type Person } from "./people";
import type { Preview } from "./preview";
import { deviceProblem, ending, type Ending } from "./problems";
import type { Session } from "./session";
import { followSpeechLimits } from "./speech";
import { standing } from "./standing";
import { t } from "./texts";
import type { Ticket } from "./ticket";
import { sameRoom } from "./view";

export type Connection = "connecting" | "connected" | "reconnecting";

/** Media and the session's view come by two ways. People who appear or vanish this close to a move of my own did not move. */
const MOVE_SETTLES_MS = 1_500;

/** How often it is asked whether voices get through. */
const LISTEN_MS = 2_000;

/** After any of these the snapshot of people is taken anew: with at most a dozen people that is cheaper than care. */
const CHANGES_PEOPLE = [
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.ParticipantNameChanged,
  RoomEvent.ParticipantAttributesChanged,
  RoomEvent.ParticipantPermissionsChanged,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
  RoomEvent.TrackStreamStateChanged,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.ActiveSpeakersChanged,
  RoomEvent.ConnectionQualityChanged,
  RoomEvent.Connected,
  RoomEvent.Reconnected,
  RoomEvent.Moved,
] as const;

export class Call {
  readonly connection = signal<Connection>("connecting");
  readonly self = signal<Person | null>(null);
  readonly others = signal<readonly Person[]>([]);
  readonly mayPublish = signal(true);
  readonly soundBlocked = signal(false);
  /** Whether what the preview had belongs to the call now. */
  readonly started = signal(false);
  /** Whether sound gets through; if it does not for long, another way is shown. */
  readonly carriesSound = signal(true);
  /** The newest thing worth telling: shown for a while and read out. The number makes equal texts distinct. */
  readonly notice = signal<{ id: number; text: string }>({ id: 0, text: "" });

  /** Who can hear and see me, in words. */
  readonly standing = computed(() =>
    standing(this.session.view.value, {
      connection: this.connection.value,
      microphone: this.self.value?.microphone ?? false,
      camera: this.self.value?.camera != null,
      others: this.others.value,
    }),
  );

  readonly chat: Chat;
  readonly #room: Room;
  readonly #keys = new ExternalE2EEKeyProvider();
  readonly #ended: (how: Ending) => void;
  /** My own switch is in motion, so a mute that arrives now is mine. */
  #switching = 0;
  #leaving = false;
  #movedAt = 0;
  #wasWaiting = false;
  #handingOverUntil = 0;
  readonly #stopWatching: () => void;
  readonly #carried = new Carried();
  #voices: Voices = new Map();
  readonly #frames = new Frames();
  #still = false;
  #listening: ReturnType<typeof setInterval> | undefined;
  readonly #enginesFollowed = new WeakSet<object>();

  constructor(
    readonly session: Session,
    encrypted: boolean,
    ended: (how: Ending) => void,
  ) {
    this.#ended = ended;
    this.#room = new Room({
      ...roomOptions,
      audioCaptureDefaults: { ...captureAudio, ...wanted("microphone") },
      videoCaptureDefaults: { ...captureVideo, ...wanted("camera") },
      ...(encrypted ? { encryption: { keyProvider: this.#keys, worker: new E2eeWorker() } } : {}),
    });
    this.chat = new Chat(this.#room);
    this.#listen();
    followSpeechLimits(this.#room);
    window.addEventListener("pagehide", this.#goodbye);
    this.#stopWatching = effect(() => {
      const place = session.place.value;
      if (place) this.#movedAt = performance.now();
      // News that one is out may come before the goodbye that says why.
      if (place && place !== "outside") this.#wasWaiting = place === "waiting";
    });
  }

  /** A page that is closed or reloaded leaves; one that exits in a hurry vanishes like a lost line. */
  readonly #goodbye = (): void => {
    if (!isExiting()) void this.#room.disconnect();
  };

  /** Resolves when the server has let us in: from then on the others know that we are here. */
  async join(ticket: Ticket): Promise<void> {
    if (ticket.key) {
      await this.#keys.setKey(ticket.key);
      await this.#room.setE2EEEnabled(true);
    }
    await this.#room.connect(location.origin.replace(/^http/, "ws"), ticket.token);
    this.#listening = setInterval(() => {
      void this.#listenToVoices();
      void this.#lookAtCamera();
    }, LISTEN_MS);
    this.#update();
  }

  /** Sends what the preview has, once. The call is on screen by now, so that nobody is seen without knowing it. */
  async start(preview: Preview): Promise<void> {
    if (this.started.value) return;
    this.started.value = true;
    const { camera, microphone } = preview.release();
    const { speaker } = chosen.value;
    if (speaker) await this.choose("speaker", speaker);
    if (microphone) await this.#publish(microphone, Track.Source.Microphone);
    if (camera) await this.#publish(camera, Track.Source.Camera);
  }

  async #publish(track: LocalAudioTrack | LocalVideoTrack, source: Track.Source): Promise<void> {
    try {
      await this.#room.localParticipant.publishTrack(track, { source });
    } catch {
      track.stop();
      this.#tell(t("control.not_allowed"));
    }
  }

  #listen(): void {
    const room = this.#room;
    for (const event of CHANGES_PEOPLE) room.on(event, () => this.#update());
    room
      .on(RoomEvent.TrackSubscribed, (track) => this.#play(track))
      .on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()))
      .on(RoomEvent.ParticipantConnected, (participant) => this.#noticeMove("call.joined", participant))
      .on(RoomEvent.ParticipantDisconnected, (participant) => this.#noticeMove("call.left", participant))
      .on(RoomEvent.TrackMuted, (publication, participant) => this.#noticeMute(publication, participant))
      .on(RoomEvent.MediaDevicesError, (error) => this.#tell(t(deviceProblem(error))))
      .on(RoomEvent.AudioPlaybackStatusChanged, () => (this.soundBlocked.value = !room.canPlaybackAudio))
      .on(RoomEvent.SignalReconnecting, () => (this.connection.value = "reconnecting"))
      .on(RoomEvent.Reconnecting, () => (this.connection.value = "reconnecting"))
      .on(RoomEvent.Reconnected, () => this.#tell(t("call.reconnected")))
      .on(RoomEvent.Connected, () => this.#followToken())
      .on(RoomEvent.Reconnected, () => this.#followToken())
      .on(RoomEvent.Disconnected, (reason) => this.#end(reason));
  }

  /** The server sends a younger token from time to time; the control plane needs it as well. */
  #followToken(): void {
    const { engine } = this.#room;
    if (this.#enginesFollowed.has(engine)) return;
    this.#enginesFollowed.add(engine);
    engine.on("tokenRefreshed", (token) => this.session.renew(token));
  }

  #play(track: RemoteTrack): void {
    if (track.kind !== Track.Kind.Audio) return;
    const element = track.attach();
    element.hidden = true;
    document.body.append(element);
  }

  #end(reason: DisconnectReason | undefined): void {
    document.querySelectorAll("body > audio").forEach((element) => element.remove());
    window.removeEventListener("pagehide", this.#goodbye);
    this.#stopWatching();
    clearInterval(this.#listening);
    const circumstances = {
      leaving: this.#leaving,
      waiting: this.#wasWaiting,
      handingOver: performance.now() < this.#handingOverUntil,
    };
    this.#ended(ending(reason, circumstances));
  }

  async #listenToVoices(): Promise<void> {
    const voices = await this.#heard();
    const isLost = this.connection.value === "reconnecting" || this.self.value?.line === "lost";
    const missing = isLost || isMissing(this.#voices, voices);
    this.#voices = voices;
    this.carriesSound.value = this.#carried.take(missing, performance.now());
  }

  /** Frames of one's own camera, which nobody else could tell one about. */
  async #lookAtCamera(): Promise<void> {
    const { track, isMuted } = this.#room.localParticipant.getTrackPublication(Track.Source.Camera) ?? {};
    const report = isMuted ? undefined : await track?.getRTCStatsReport().catch(() => undefined);
    const isOn = track !== undefined && !isMuted;
    const source = isOn ? { muted: track.mediaStreamTrack.muted, frames: framesOf(report?.values() ?? []) } : null;
    const still = this.#frames.take(source, performance.now());
    if (still === this.#still) return;
    this.#still = still;
    this.#update();
  }

  /** What has arrived of each voice that is certainly sent to me: floor and shared rooms keep some back. */
  async #heard(): Promise<Voices> {
    const heard = new Map<string, Voice>();
    for (const participant of this.#room.remoteParticipants.values()) {
      const { track, isMuted } = participant.getTrackPublication(Track.Source.Microphone) ?? {};
      if (!track || isMuted || !this.#mustHear(participant)) continue;
      const report = await track.getRTCStatsReport().catch(() => undefined);
      for (const one of (report?.values() ?? []) as Iterable<RTCInboundRtpStreamStats>) {
        if (one.type !== "inbound-rtp") continue;
        const concealed = (one.concealedSamples ?? 0) - (one.silentConcealedSamples ?? 0);
        heard.set(track.sid ?? one.id, { samples: one.totalSamplesReceived ?? 0, concealed, packets: one.packetsReceived ?? 0 });
      }
    }
    return heard;
  }

  #mustHear({ identity, attributes }: Participant): boolean {
    const view = this.session.view.value;
    if (!view) return true;
    const isLed = view.me.role === "therapist" || attributes[ROLE_ATTRIBUTE] === "therapist";
    return isLed && sameRoom(view, view.me.identity, identity) === "apart";
  }

  /**
   * A full reconnect, a hold or a check-in takes everybody out and in again: they did not move, I did. Therapists read
   * in their list where everyone is.
   */
  #noticeMove(key: "call.joined" | "call.left", participant: Participant): void {
    if (this.#room.state !== "connected" || this.session.role.value === "therapist") return;
    setTimeout(() => {
      const isHere = this.#room.remoteParticipants.has(participant.identity);
      const iMoved = performance.now() - this.#movedAt < 2 * MOVE_SETTLES_MS;
      if (iMoved || this.#room.state !== "connected" || isHere !== (key === "call.joined")) return;
      this.#tell(t(key, { name: participant.name || t("call.unnamed") }));
    }, MOVE_SETTLES_MS);
  }

  #noticeMute(publication: TrackPublication, participant: Participant): void {
    const mine = participant.isLocal && publication.source === Track.Source.Microphone;
    if (mine && this.#switching === 0) this.#tell(t("call.muted_elsewhere"));
  }

  #update(): void {
    const room = this.#room;
    batch(() => {
      if (room.state === "connected") this.connection.value = "connected";
      this.self.value = person(room.localParticipant, this.#still);
      this.others.value = others(room);
      this.mayPublish.value = room.localParticipant.permissions?.canPublish ?? true;
    });
  }

  #tell(text: string): void {
    this.notice.value = { id: this.notice.value.id + 1, text };
  }

  async #switch(change: () => Promise<unknown>): Promise<void> {
    this.#switching += 1;
    try {
      await change();
    } catch (error) {
      this.#tell(t(deviceProblem(error)));
    } finally {
      this.#switching -= 1;
      this.#update();
    }
  }

  async toggleMicrophone(): Promise<void> {
    if (this.session.modality.value === "text") return;
    const me = this.#room.localParticipant;
    return this.#switch(() => me.setMicrophoneEnabled(!me.isMicrophoneEnabled));
  }

  async toggleCamera(): Promise<void> {
    if (this.session.modality.value !== "video") return;
    const me = this.#room.localParticipant;
    return this.#switch(() => me.setCameraEnabled(!me.isCameraEnabled));
  }

  async toggleScreen(): Promise<void> {
    if (this.session.modality.value !== "video") return;
    const me = this.#room.localParticipant;
    try {
      await me.setScreenShareEnabled(!me.isScreenShareEnabled, { audio: true, contentHint: "detail" });
    } catch (error) {
      // Closing the browser's chooser is an answer, not an error.
      const cancelled = error instanceof Error && error.name === "NotAllowedError";
      if (!cancelled) this.#tell(t("error.screen"));
    }
    this.#update();
  }

  /** False if it could not be sent, which is told. */
  async write(text: string, readers: readonly string[]): Promise<boolean> {
    try {
      await this.chat.send(text, readers);
      return true;
    } catch {
      this.#tell(t("chat.failed"));
      return false;
    }
  }

  choose(kind: DeviceKind, id: string): Promise<void> {
    remember(kind, id);
    return this.#switch(() => this.#room.switchActiveDevice(LIVEKIT_KINDS[kind], id || "default"));
  }

  /** The device in use, if the SDK knows. */
  inUse(kind: DeviceKind): string | undefined {
    return this.#room.getActiveDevice(LIVEKIT_KINDS[kind]);
  }

  /** Must be called from a click: the browser wants one before it plays. */
  allowSound(): Promise<void> {
    return this.#room.startAudio();
  }

  /** From now on, for as long as the offer stands, losing the seat means that the other device has it. */
  handingOver(forMs: number): void {
    this.#handingOverUntil = performance.now() + forMs;
  }

  /** Camera and microphone off this instant, without a word to anyone. */
  silence(): void {
    for (const { track } of this.#room.localParticipant.trackPublications.values()) track?.mediaStreamTrack.stop();
  }

  leave(): Promise<void> {
    this.#leaving = true;
    return this.#room.disconnect();
  }
}
