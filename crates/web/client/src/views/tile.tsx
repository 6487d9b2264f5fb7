// One person: picture or initials, name and role, and in words what their microphone and line are doing.
import type { Person } from "../people";
import { roleWord } from "../people";
import type { Size } from "../layout";
import { t } from "../texts";
import { Icon, SpeakingBars } from "./icons";
import { Picture } from "./picture";

interface Props {
  person: Person;
  size?: Size | undefined;
  mirrored?: boolean;
  /** The small picture of oneself in the corner. */
  corner?: boolean;
  /** In a session held in sound nobody misses a picture. */
  pictures?: boolean;
}

/** Up to two letters; grapheme-wise, so that no name is cut inside a letter. */
export function initials(name: string): string {
  const letters = name
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => [...new Intl.Segmenter().segment(word)][0]?.segment ?? "");
  const last = letters.length > 1 ? letters[letters.length - 1] : "";
  return `${letters[0] ?? ""}${last ?? ""}`.toLocaleUpperCase();
}

export function Tile({ person, size, mirrored = false, corner = false, pictures = true }: Props) {
  const name = person.self ? t("call.you") : person.name;
  const role = person.self ? "" : roleWord(person.role);
  const still = stillWords(person);
  return (
    <li
      class={corner ? "tile tile-corner" : "tile"}
      data-sid={person.sid}
      data-speaking={person.speaking}
      style={size ? { width: `${size.width}px`, height: `${size.height}px` } : undefined}
    >
      {person.camera ? (
        <Picture track={person.camera} mirrored={mirrored} label={person.self ? t("prejoin.preview") : person.name} />
      ) : (
        <NoPicture person={person} words={corner || !pictures ? "" : t("call.camera_off")} />
      )}
      {still && <NoPicture person={person} words={still} paused />}
      <div class="plate">
        {person.speaking && <SpeakingBars />}
        {!person.microphone && <Icon name="microphone-off" />}
        <span class="plate-name">{name}</span>
        {role && <span class="plate-role">{role}</span>}
        <span class="hidden-words">{hiddenWords(person)}</span>
      </div>
      <Line person={person} />
    </li>
  );
}

/** Why a picture stands still, if it does. */
function stillWords({ camera, self, still, paused, line }: Person): string {
  if (!camera) return "";
  if (self) return still ? t("call.camera_still") : "";
  if (paused) return t("call.picture_paused");
  return line === "lost" ? t("call.connection_lost") : "";
}

/** In place of a picture, or over one that stands still: its element must stay, as an unseen one is not sent any more. */
function NoPicture({ person, words, paused = false }: { person: Person; words: string; paused?: boolean }) {
  return (
    <div class={paused ? "no-picture picture-paused" : "no-picture"} role={paused ? "status" : undefined}>
      <span class="initials" aria-hidden="true">
        {initials(person.name)}
      </span>
      {words && <span class="tile-words">{words}</span>}
    </div>
  );
}

function hiddenWords(person: Person): string {
  const words: string[] = [];
  if (person.speaking) words.push(t("call.speaking"));
  if (!person.microphone) words.push(t("call.microphone_off"));
  return words.length ? `, ${words.join(", ")}` : "";
}

/** Nothing while all is well: numbers and bars would only make people watch them. */
function Line({ person }: { person: Person }) {
  const words =
    person.line === "weak" ? t("call.connection_weak") : person.line === "lost" ? t("call.connection_lost") : "";
  if (!words) return null;
  return (
    <p class="line">
      <Icon name="weak" />
      <span>{words}</span>
    </p>
  );
}
