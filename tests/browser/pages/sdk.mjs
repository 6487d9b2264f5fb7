// A bare page around unmodified livekit-client: `window.sdk` joins a room, keeps what the room says, and reads what is
// really decoded from WebRTC's own statistics.
import * as livekit from "livekit-client";

const { Room, RoomEvent, Track } = livekit;

/** Sound that WebRTC's processing would take for an echo is left as it is: tests measure its energy. */
const RAW_AUDIO = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

function attach(track) {
  const element = track.attach();
  element.dataset.sid = track.sid;
  if (track.kind === Track.Kind.Video) Object.assign(element, { width: 320, height: 180 });
  document.getElementById("media").append(element);
}

/** `size`: capture size and frame rate. `key`: end-to-end encryption. `options`, `connect`: the SDK's. */
async function join({ url, token, size = { width: 640, height: 360, frameRate: 15 }, key = null, options = {}, connect = {} }) {
  const log = [];
  const keyProvider = new livekit.ExternalE2EEKeyProvider();
  const room = new Room({
    singlePeerConnection: true,
    audioCaptureDefaults: RAW_AUDIO,
    videoCaptureDefaults: { resolution: size },
    ...(key ? { encryption: { keyProvider, worker: new Worker("/e2ee-worker.js", { type: "module" }) } } : {}),
    ...options,
  });
  Object.assign(window.sdk, { room, log, keyProvider });
  for (const event of Object.values(RoomEvent)) {
    room.on(event, (subject) => log.push({ event, who: subject?.identity ?? null, at: performance.now() }));
  }
  room.on(RoomEvent.TrackSubscribed, attach);
  room.on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()));
  if (key) {
    await keyProvider.setKey(key);
    await room.setE2EEEnabled(true);
  }
  await room.connect(url, token, connect);
  return room.localParticipant.sid;
}

/** Camera and microphone; `options` are publish options. */
async function publish(options = {}) {
  const me = window.sdk.room.localParticipant;
  await me.setMicrophoneEnabled(true, undefined, options);
  // A machine that is short of cores sends fewer frames, not smaller ones: sizes are what the tests of layers look at.
  await me.setCameraEnabled(true, undefined, { degradationPreference: "maintain-resolution", ...options });
}

/** A steady tone in place of the published microphone: the fake device beeps too shortly to pass for speech. */
async function speak() {
  const me = window.sdk.room.localParticipant;
  await me.unpublishTrack(me.getTrackPublication("microphone").track);
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency: 300 });
  const destination = context.createMediaStreamDestination();
  tone.connect(destination);
  tone.start();
  await context.resume();
  await me.publishTrack(destination.stream.getAudioTracks()[0], { source: "microphone", name: "tone", dtx: false });
  return () => tone.stop();
}

/** Begins or ends speaking. */
async function setSpeaking(on) {
  if (on) window.sdk.hush = await speak();
  else window.sdk.hush();
}

async function inbound(publication) {
  const report = await publication?.track?.getRTCStatsReport();
  for (const stats of report?.values() ?? []) if (stats.type === "inbound-rtp") return stats;
  return null;
}

/** What arrives and is decoded, by identity: frames, size, sound energy (accumulated), whether muted. */
async function received() {
  const people = {};
  for (const participant of window.sdk.room.remoteParticipants.values()) {
    const of = (source) => participant.getTrackPublication(source);
    const [camera, microphone, screen] = [of("camera"), of("microphone"), of("screen_share")];
    const [video, audio, shared] = await Promise.all([camera, microphone, screen].map(inbound));
    people[participant.identity] = {
      frames: video?.framesDecoded ?? 0,
      width: video?.frameWidth ?? 0,
      height: video?.frameHeight ?? 0,
      energy: audio?.totalAudioEnergy ?? 0,
      packets: audio?.packetsReceived ?? 0,
      screenFrames: shared?.framesDecoded ?? 0,
      screenWidth: shared?.frameWidth ?? 0,
      cameraMuted: camera?.isMuted ?? null,
      microphoneMuted: microphone?.isMuted ?? null,
      encrypted: camera?.isEncrypted ?? null,
    };
  }
  return people;
}

/** RTCPeerConnection stats of one kind, of all connections of the page. */
async function stats(type) {
  const found = [];
  for (const connection of window.connections ?? []) {
    if (connection.connectionState === "closed") continue;
    for (const entry of (await connection.getStats()).values()) if (entry.type === type) found.push(entry);
  }
  return found;
}

window.sdk = { livekit, join, publish, received, setSpeaking, stats, messages: [] };
