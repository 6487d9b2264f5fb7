// The icons: outlines on a 24 grid in the colour of the text. They are decoration; the words are on the buttons.
const PATHS = {
  microphone: "M12 3a3 3 0 0 1 3 3v6a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3ZM5.5 11.500a6.5 6.5 0 0 0 13 0M12 18v3",
  "microphone-off":
    "M15 11V6a3 3 0 0 0-5.8-1M9 9v3a3 3 0 0 0 4.5 2.600M5.5 11.500a6.5 6.5 0 0 0 10.2 5.300M18.4 12.800q.1-.6.1-1.300M12 18v3M4 4l16 16",
  camera: "M4.5 6.500h9a1.5 1.5 0 0 1 1.5 1.500v8a1.5 1.5 0 0 1-1.5 1.500h-9A1.5 1.5 0 0 1 3 16V8a1.5 1.5 0 0 1 1.5-1.500ZM15 10.500l6-3v9l-6-3",
  "camera-off":
    "M10 6.500h3.500A1.5 1.5 0 0 1 15 8v3.500l6-4v9l-2.5-1.300M15 15v1a1.5 1.5 0 0 1-1.5 1.500h-9A1.5 1.5 0 0 1 3 16V8a1.5 1.5 0 0 1 1.5-1.500H6M4 4l16 16",
  screen: "M4.5 4.500h15A1.5 1.5 0 0 1 21 6v9a1.5 1.5 0 0 1-1.5 1.500h-15A1.5 1.5 0 0 1 3 15V6a1.5 1.5 0 0 1 1.5-1.500ZM8.5 20.500h7M12 13.500v-6M9 10l3-3 3 3",
  "screen-off": "M4.5 4.500h15A1.5 1.5 0 0 1 21 6v9a1.5 1.5 0 0 1-1.5 1.500h-15A1.5 1.5 0 0 1 3 15V6a1.5 1.5 0 0 1 1.5-1.500ZM8.5 20.500h7M9.5 8l5 5M14.5 8l-5 5",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.800v4.400M9 14.800v4.4",
  leave: "M14 4.500H6.500A1.5 1.5 0 0 0 5 6v12a1.5 1.5 0 0 0 1.5 1.500H14M10 12h11M17.5 8.500L21 12l-3.5 3.5",
  sound: "M5 9.500v5h3.500L13 18V6L8.5 9.500ZM16.5 9a4 4 0 0 1 0 6M19 6.500a8 8 0 0 1 0 11",
  weak: "M4.5 19.5v-4M10 19.5v-8M15.5 5l5 5M20.5 5l-5 5",
  lock: "M6.5 11h11A1.5 1.5 0 0 1 19 12.500v6a1.5 1.5 0 0 1-1.5 1.500h-11A1.5 1.5 0 0 1 5 18.500v-6A1.5 1.5 0 0 1 6.5 11ZM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Three bars that move while somebody speaks: a sign beside the coloured frame, for those who see no colour. */
export function SpeakingBars() {
  return (
    <span class="bars" aria-hidden="true">
      <i />
      <i />
      <i />
    </span>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path d="M8 20.500c0-5 3.6-8.5 8-8.500s8 3.5 8 8.5" />
      <circle cx="11.5" cy="21" r="2.2" />
      <circle cx="20.5" cy="21" r="2.2" />
    </svg>
  );
}
