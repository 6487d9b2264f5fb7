// What we capture and send. The ladder is the one the server's allocation is made for: 180p, 360p and 720p.
import { ScreenSharePresets, VideoPreset, type RoomOptions } from "livekit-client";

export const captureVideo = { resolution: { width: 1280, height: 720, frameRate: 30 } };
export const captureAudio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** Voices carry the session: enough for a warm sound. */
export const VOICE_BITRATE = 40_000;

export const roomOptions: RoomOptions = {
  singlePeerConnection: true,
  adaptiveStream: true,
  dynacast: true,
  // The page says goodbye itself: not on a quick exit.
  disconnectOnPageLeave: false,
  publishDefaults: {
    videoCodec: "vp8",
    simulcast: true,
    videoEncoding: { maxBitrate: 1_700_000, maxFramerate: 30 },
    videoSimulcastLayers: [new VideoPreset(320, 180, 160_000, 15), new VideoPreset(640, 360, 450_000, 30)],
    screenShareEncoding: ScreenSharePresets.h1080fps15.encoding,
    audioPreset: { maxBitrate: VOICE_BITRATE },
    // A lost packet is not a lost word.
    red: true,
    dtx: true,
  },
};
