// Camera and microphone before joining. The same tracks are handed to the call, so the camera does not blink.
import { createLocalAudioTrack, createLocalTracks, createLocalVideoTrack } from "livekit-client";
import type { LocalAudioTrack, LocalVideoTrack } from "livekit-client";
import { signal } from "@preact/signals";
import { refreshDevices, remember, wanted, type DeviceKind } from "./devices";
import { captureAudio, captureVideo } from "./media";
import { deviceProblem } from "./problems";
import type { TextKey } from "./texts";

export class Preview {
  readonly hasCamera: boolean;
  readonly hasMicrophone: boolean;
  readonly camera = signal<LocalVideoTrack | null>(null);
  readonly microphone = signal<LocalAudioTrack | null>(null);
  readonly starting = signal(true);
  readonly problem = signal<TextKey | null>(null);
  /** Set once the tracks belong to the call or the page went on: what arrives later is stopped at once. */
  #over = false;

  /** A session held in sound asks for no camera, one held in text for nothing at all. */
  constructor(modality: "video" | "audio" | "text") {
    this.hasCamera = modality === "video";
    this.hasMicrophone = modality !== "text";
  }

  /** Asks for both at once, so that there is one question to the person; then for each alone, so that one works. */
  async start(): Promise<void> {
    this.starting.value = this.hasMicrophone;
    this.problem.value = null;
    if (!this.hasMicrophone) return;
    try {
      const tracks = await createLocalTracks({
        audio: { ...captureAudio, ...wanted("microphone") },
        video: this.hasCamera && { ...captureVideo, ...wanted("camera") },
      });
      for (const track of tracks) this.#take(track as LocalVideoTrack | LocalAudioTrack);
    } catch (error) {
      this.problem.value = deviceProblem(error);
      if (this.problem.value !== "error.denied") await this.#startEach();
    }
    this.starting.value = false;
    await refreshDevices();
  }

  async #startEach(): Promise<void> {
    await this.setMicrophone(true);
    const ofMicrophone = this.problem.value;
    if (this.hasCamera) await this.setCamera(true);
    // A camera that works does not make up for it.
    this.problem.value = ofMicrophone ?? this.problem.value;
  }

  async setCamera(on: boolean): Promise<void> {
    this.camera.value?.stop();
    this.camera.value = null;
    if (on) await this.#open(() => createLocalVideoTrack({ ...captureVideo, ...wanted("camera") }));
  }

  async setMicrophone(on: boolean): Promise<void> {
    this.microphone.value?.stop();
    this.microphone.value = null;
    if (on) await this.#open(() => createLocalAudioTrack({ ...captureAudio, ...wanted("microphone") }));
  }

  async choose(kind: DeviceKind, id: string): Promise<void> {
    remember(kind, id);
    if (kind === "camera" && this.camera.value) await this.setCamera(true);
    if (kind === "microphone" && this.microphone.value) await this.setMicrophone(true);
  }

  async #open(create: () => Promise<LocalVideoTrack | LocalAudioTrack>): Promise<void> {
    try {
      this.#take(await create());
      this.problem.value = null;
    } catch (error) {
      this.problem.value = deviceProblem(error);
    }
  }

  #take(track: LocalVideoTrack | LocalAudioTrack): void {
    if (this.#over) return track.stop();
    if (track.kind === "video") this.camera.value = track as LocalVideoTrack;
    else this.microphone.value = track as LocalAudioTrack;
  }

  /** Gives the tracks away; the preview is over. */
  release(): { camera: LocalVideoTrack | null; microphone: LocalAudioTrack | null } {
    this.#over = true;
    return { camera: this.camera.value, microphone: this.microphone.value };
  }

  stop(): void {
    const { camera, microphone } = this.release();
    camera?.stop();
    microphone?.stop();
  }
}
