// The words of the page. Each language is one file in texts/ with the keys of en.json; a missing key falls back to
// English. Adding a language is adding its file: it is found at build time and loaded only when it is wanted.
import { computed, signal } from "@preact/signals";
import en from "./texts/en.json";

export type TextKey = keyof typeof en;
type Texts = Partial<Record<string, string>>;
type Values = Record<string, string | number>;

/** Strips `_one`, `_other` … from the keys that have plural forms. */
type PluralKey = TextKey extends infer K ? (K extends `${infer Stem}_other` ? Stem : never) : never;

const files = import.meta.glob<{ default: Texts }>(["./texts/*.json", "!./texts/en.json"]);

const languageOfFile = (path: string): string => path.replace(/^.*\/|\.json$/g, "");

/** Languages that have a file, English first. */
export const languages: readonly string[] = ["en", ...Object.keys(files).map(languageOfFile).sort()];

const current = signal<{ language: string; texts: Texts }>({ language: "en", texts: en });

export const language = computed(() => current.value.language);

/** The first language of `wanted` that we have, by its primary subtag; `no` and `nn` readers get Bokmål. */
export function pickLanguage(wanted: readonly string[], available: readonly string[] = languages): string {
  for (const tag of wanted) {
    const primary = tag.toLowerCase().split("-")[0] ?? "";
    const known = primary === "no" || primary === "nn" ? "nb" : primary;
    if (available.includes(known)) return known;
  }
  return "en";
}

export async function useLanguage(wanted: string): Promise<void> {
  const load = files[`./texts/${wanted}.json`];
  current.value = load ? { language: wanted, texts: (await load()).default } : { language: "en", texts: en };
  document.documentElement.lang = current.value.language;
}

function fill(template: string, values: Values): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The text of `key` with `{name}` places filled. */
export function t(key: TextKey, values: Values = {}): string {
  return fill(current.value.texts[key] ?? en[key], values);
}

/** As `t`, in the plural form the language uses for `count`. */
export function tn(stem: PluralKey, count: number, values: Values = {}): string {
  const form = new Intl.PluralRules(current.value.language).select(count);
  const texts = current.value.texts;
  const fallback = en[`${stem}_other` as TextKey];
  return fill(texts[`${stem}_${form}`] ?? texts[`${stem}_other`] ?? fallback, values);
}

/** "Anna, Ben and Chloé" in the current language. */
export function list(words: readonly string[]): string {
  return new Intl.ListFormat(current.value.language, { type: "conjunction" }).format(words);
}
