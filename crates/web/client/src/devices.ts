// Which cameras, microphones and speakers there are and which are chosen. The choice lives for this tab only: device
// ids kept longer would be a trace on a computer that others may use.
import { signal } from "@preact/signals";

export type DeviceKind = "camera" | "microphone" | "speaker";

const KINDS: Record<MediaDeviceKind, DeviceKind> = {
  videoinput: "camera",
  audioinput: "microphone",
  audiooutput: "speaker",
};

export const LIVEKIT_KINDS: Record<DeviceKind, MediaDeviceKind> = {
  camera: "videoinput",
  microphone: "audioinput",
  speaker: "audiooutput",
};

type Lists = Record<DeviceKind, readonly MediaDeviceInfo[]>;
type Choice = Record<DeviceKind, string>;

export const devices = signal<Lists>({ camera: [], microphone: [], speaker: [] });
export const chosen = signal<Choice>({ camera: "", microphone: "", speaker: "" });

/** Browsers without `setSinkId` play through the system's choice. */
export const canChooseSpeaker = "setSinkId" in HTMLMediaElement.prototype;

/** Names are known only once the person has allowed the devices; unnamed ones are of no use in a list. */
export async function refreshDevices(): Promise<void> {
  const found = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const lists: Record<DeviceKind, MediaDeviceInfo[]> = { camera: [], microphone: [], speaker: [] };
  for (const device of found) {
    if (device.deviceId && device.label) lists[KINDS[device.kind]].push(device);
  }
  devices.value = lists;
}

export function remember(kind: DeviceKind, id: string): void {
  chosen.value = { ...chosen.value, [kind]: id };
}

/** The constraint for the chosen device: wished for, not demanded, since it may have been unplugged. */
export function wanted(kind: DeviceKind): { deviceId?: ConstrainDOMString } {
  const id = chosen.value[kind];
  return id ? { deviceId: { ideal: id } } : {};
}

navigator.mediaDevices?.addEventListener("devicechange", () => void refreshDevices());
