// The level of a microphone, and a test sound: Web Audio, nothing leaves the page.

/** Speech peaks near -20 dBFS; the meter is full there and empty at -60. */
const FLOOR_DB = -60;
const FULL_DB = -18;

/** Root mean square of samples in -1..1 as a meter reading in 0..1. */
export function reading(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const db = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-12);
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / (FULL_DB - FLOOR_DB)));
}

/** Calls `heard` some 15 times a second with a reading in 0..1 until the returned function is called. */
export function meter(track: MediaStreamTrack, heard: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  const samples = new Float32Array(analyser.fftSize);
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);

  // Contexts made before the first gesture may be asleep.
  const wake = (): void => void context.resume();
  window.addEventListener("pointerdown", wake);
  window.addEventListener("keydown", wake);

  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    heard(reading(samples));
  }, 66);

  return () => {
    clearInterval(timer);
    window.removeEventListener("pointerdown", wake);
    window.removeEventListener("keydown", wake);
    void context.close();
  };
}

/** Two soft notes on the chosen speaker. */
export async function playTestSound(speaker: string): Promise<void> {
  const context = new AudioContext();
  if (speaker && "setSinkId" in context) {
    await (context as AudioContext & { setSinkId(id: string): Promise<void> }).setSinkId(speaker);
  }
  [392, 523.25].forEach((frequency, index) => {
    const start = context.currentTime + index * 0.35;
    const note = context.createOscillator();
    const volume = context.createGain();
    note.frequency.value = frequency;
    volume.gain.setValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(0.2, start + 0.05);
    volume.gain.exponentialRampToValueAtTime(0.001, start + 0.6);
    note.connect(volume).connect(context.destination);
    note.start(start);
    note.stop(start + 0.65);
    if (index === 1) note.onended = () => void context.close();
  });
}
