// Who can hear and see me, in words, in every state of the session. Pure: what the server and the call say goes in, one
// leading sentence and what else is worth knowing come out. A therapist's sentences come from the server's view alone.
import { list, t, tn } from "./texts";
import { checkInOf, sameRoom, type PersonView, type SessionView } from "./view";

export interface Neighbour {
  readonly identity: string;
  readonly name: string;
  readonly role: string;
}

export interface Reach {
  readonly connection: "connecting" | "connected" | "reconnecting";
  readonly microphone: boolean;
  readonly camera: boolean;
  /** The others in my space, whom the server forwards to. */
  readonly others: readonly Neighbour[];
}

export interface Standing {
  readonly lead: string;
  readonly rest: readonly string[];
}

export function standing(view: SessionView | null, reach: Reach): Standing {
  if (reach.connection === "connecting") return { lead: t("audience.connecting"), rest: [] };
  if (reach.connection === "reconnecting") return { lead: t("audience.reconnecting"), rest: [] };
  if (view?.people && view.me.role === "therapist") return ofTherapist(view, view.people, reach);
  return { lead: audience(view, reach), rest: ofClient(view, reach) };
}

const names = (people: readonly { readonly name: string }[]) => ({ names: list(people.map(nameOf)) });
const nameOf = ({ name }: { readonly name: string }): string => name || t("call.unnamed");
const same = (a: readonly Neighbour[], b: readonly Neighbour[]): boolean =>
  a.length === b.length && a.every((one) => b.includes(one));

/** What the floor and shared rooms leave of my voice at a neighbour. The server enforces it; this only says it. */
function hears(view: SessionView | null, receiver: Neighbour): boolean {
  if (!view) return true;
  if (sameRoom(view, view.me.identity, receiver.identity) !== "apart") return false;
  if (receiver.role === "therapist" || view.me.role === "therapist") return true;
  const floor = view.floor?.mode ?? "open";
  return floor === "open" || (floor === "one_voice" && view.floor?.identity === view.me.identity);
}

const sees = (view: SessionView | null, receiver: Neighbour): boolean =>
  !view || sameRoom(view, view.me.identity, receiver.identity) !== "audio_and_video";

function audience(view: SessionView | null, reach: Reach): string {
  const { others, microphone, camera } = reach;
  const isText = view?.session.modality === "text";
  if (others.length === 0) return t(isText ? "written.alone" : "audience.alone");
  if (isText) return tn("written.audience", others.length, names(others));
  const hearing = others.filter((other) => hears(view, other));
  if (view?.session.modality === "audio") return heard(reach, hearing);
  const seeing = others.filter((other) => sees(view, other));
  if (hearing.length === 0 || !same(hearing, seeing)) return apart(reach, hearing, seeing);
  if (microphone && camera) return tn("audience.see_and_hear", hearing.length, names(hearing));
  if (microphone) return tn("audience.hear", hearing.length, names(hearing));
  if (camera) return tn("audience.see", hearing.length, names(hearing));
  return tn("audience.nothing", others.length, names(others));
}

/** Where not the same people hear and see me: a sentence for each. */
function apart(reach: Reach, hearing: readonly Neighbour[], seeing: readonly Neighbour[]): string {
  const seen = !reach.camera
    ? t("audience.camera_off")
    : seeing.length
      ? tn("audience.sees", seeing.length, names(seeing))
      : t("audience.sees_nobody");
  return `${heard(reach, hearing)} ${seen}`;
}

/** All there is to say in a session held in sound. */
function heard(reach: Reach, hearing: readonly Neighbour[]): string {
  if (!reach.microphone) return t("audience.microphone_off");
  return hearing.length ? tn("audience.hears", hearing.length, names(hearing)) : t("audience.hears_nobody");
}

function ofClient(view: SessionView | null, reach: Reach): string[] {
  if (!view) return [];
  const rest: string[] = [];
  if (view.me.place === "check_in") rest.push(t("standing.private"));
  if (view.therapist === "lost" || view.therapist === "away") rest.push(t("standing.therapist_lost"));
  if (view.floor?.mode === "therapist_only") rest.push(floorOfTherapists(reach));
  if (view.floor?.mode === "one_voice") rest.push(floorOfOne(view, reach));
  return rest;
}

function floorOfTherapists({ others }: Reach): string {
  return tn("standing.floor_therapist", Math.max(1, others.filter(({ role }) => role === "therapist").length));
}

function floorOfOne(view: SessionView, reach: Reach): string {
  if (view.floor?.identity === view.me.identity) return t("standing.floor_mine");
  const speaker = reach.others.find(({ identity }) => identity === view.floor?.identity);
  return speaker ? t("standing.floor_one", { name: nameOf(speaker) }) : floorOfTherapists(reach);
}

// A therapist

/** Those whom this person shares a space with and whose line is up. */
const isReachable = (person: PersonView): boolean => person.line === "up" && isInside(person);
export const isInside = ({ place }: PersonView): boolean => place === "main" || place === "check_in" || place === "hold";

function ofTherapist(view: SessionView, people: readonly PersonView[], reach: Reach): Standing {
  const me = people.find(({ identity }) => identity === view.me.identity);
  const others = people.filter((person) => person !== me);
  const withMe = others.filter(
    (person) => isReachable(person) && person.place === view.me.place && person.check_in === (me?.check_in ?? null),
  );
  const isText = view.session.modality === "text";
  const lead = withMe.length === 0 ? nobody(others, isText) : together(view, withMe, others.filter(isInside), isText);
  return { lead, rest: besides(others, withMe, reach, isText) };
}

/** "Nobody can hear you", and why. */
function nobody(others: readonly PersonView[], isText: boolean): string {
  const held = others.filter(({ place }) => place === "hold");
  const waiting = others.filter(({ place }) => place === "waiting");
  if (held.length) return tn(isText ? "written.nobody_held" : "standing.nobody_held", held.length, names(held));
  if (waiting.length) {
    return tn(isText ? "written.nobody_waiting" : "standing.nobody_waiting", waiting.length, names(waiting));
  }
  return t(isText ? "written.nobody_here" : "standing.nobody_here");
}

function together(
  view: SessionView,
  withMe: readonly PersonView[],
  inside: readonly PersonView[],
  isText: boolean,
): string {
  const shown = withMe.map(nameOf);
  const onlyWe = { names: list([t("standing.you_within"), ...shown]) };
  const allOfUs = { names: list([t("standing.you"), ...shown]) };
  const isApart = withMe.length < inside.length;
  if (isText) return isApart ? t("written.only_together", onlyWe) : t("written.together", allOfUs);
  const mode = view.floor?.mode ?? "open";
  const clients = withMe.filter(({ role }) => role === "client" || role === "guest");
  if (mode !== "open" && clients.length > 1) return fewHeard(view, withMe, clients);
  return isApart ? t("standing.only_together", onlyWe) : t("standing.together", allOfUs);
}

/** Not everybody is heard by everybody: the therapists are, and perhaps one more. */
function fewHeard(view: SessionView, withMe: readonly PersonView[], clients: readonly PersonView[]): string {
  const isOneVoice = view.floor?.mode === "one_voice";
  const speaker = isOneVoice ? withMe.find(({ identity }) => identity === view.floor?.identity) : undefined;
  const colleagues = withMe.filter(({ role }) => role === "therapist").map(nameOf);
  if (colleagues.length === 0) {
    return speaker ? t("standing.one_heard", { name: nameOf(speaker) }) : t("standing.only_you_heard", names(withMe));
  }
  const us = [t("check_in.you"), ...colleagues];
  if (!speaker) return t("standing.only_some_heard", { ...names(clients), heard: list(us), by: list(us) });
  return t("standing.some_heard", { heard: list([...us, nameOf(speaker)]), by: list(us) });
}

/** Who may be in a check-in that I begin: everyone inside who is in none. */
export const canBeCheckedIn = (view: SessionView): PersonView[] =>
  (view.people ?? []).filter(
    (person) => person.identity !== view.me.identity && isInside(person) && !checkInOf(view, person.identity),
  );

/** What a check-in with these people will be like, before it is begun: who hears whom in it, who waits, who stays. */
export function foreseen(view: SessionView, chosen: readonly PersonView[]): string[] {
  if (chosen.length === 0) return [t("check_in.none")];
  const left = canBeCheckedIn(view).filter((person) => !chosen.includes(person));
  // Therapists whom nobody leads are not sent anywhere.
  const stay = left.filter(({ role }) => role === "therapist");
  const wait = left.filter(({ role }) => role !== "therapist");
  const words = [inside(view, chosen)];
  if (wait.length) words.push(tn("check_in.wait", wait.length, names(wait)));
  if (stay.length) words.push(tn("check_in.stay", stay.length, names(stay)));
  if (!left.length && !view.check_ins?.length) words.push(t("check_in.all"));
  return words;
}

/** The floor is that of the session, in a check-in too. */
function inside(view: SessionView, chosen: readonly PersonView[]): string {
  const all = { names: list([t("standing.you_within"), ...chosen.map(nameOf)]) };
  if (view.session.modality === "text") return t("check_in.written", all);
  const led = chosen.filter(({ role }) => role !== "therapist");
  const mode = view.floor?.mode ?? "open";
  if (led.length < 2 || mode === "open") return t("check_in.together", all);
  const therapists = [t("check_in.you"), ...chosen.filter((person) => !led.includes(person)).map(nameOf)];
  const speaker = led.find(({ identity }) => mode === "one_voice" && identity === view.floor?.identity);
  if (!speaker) return t("check_in.only_some_heard", { ...names(led), heard: list(therapists) });
  return t("check_in.one_heard", { heard: list([...therapists, nameOf(speaker)]), by: list(therapists) });
}

function besides(
  others: readonly PersonView[],
  withMe: readonly PersonView[],
  reach: Reach,
  isText: boolean,
): string[] {
  const rest: string[] = [];
  const held = others.filter(({ place }) => place === "hold");
  const lost = others.filter((person) => isInside(person) && person.line === "lost");
  if (!reach.microphone && !isText) rest.push(t("audience.microphone_off"));
  if (held.length && withMe.length) rest.push(tn("standing.held", held.length, names(held)));
  if (lost.length) rest.push(tn("standing.lost", lost.length, names(lost)));
  return rest;
}
