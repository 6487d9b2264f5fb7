// The people, and a shared screen when there is one, laid out in the room there is.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Call } from "../call";
import { arrangement, grid, type Size } from "../layout";
import type { Person } from "../people";
import { mirrorSelf, showSelf } from "../preferences";
import { t } from "../texts";
import { Picture } from "./picture";
import { Tile } from "./tile";

const GAP = 12;

function useSize() {
  const element = useRef<HTMLDivElement>(null);
  const size = useSignal<Size>({ width: 0, height: 0 });
  useEffect(() => {
    const box = element.current;
    if (!box) return;
    const observer = new ResizeObserver(() => (size.value = { width: box.clientWidth, height: box.clientHeight }));
    observer.observe(box);
    return () => observer.disconnect();
  }, []);
  return { element, size };
}

export function Stage({ call }: { call: Call }) {
  const { element, size } = useSize();
  const others = call.others.value;
  const self = call.self.value;
  // One's own screen is not shown back: a tunnel of mirrors helps nobody. A banner says that it is shared.
  const screens = others.filter((person) => person.screen);
  const pictures = call.session.modality.value === "video";
  const shape = arrangement(size.value, others.length, screens.length);
  return (
    <div class="stage" ref={element} data-shape={shape}>
      {shape === "alone" && self && <Alone self={self} stage={size.value} pictures={pictures} />}
      {shape === "grid" && <People others={others} self={self} stage={size.value} pictures={pictures} />}
      {shape.startsWith("screen") && <Sharing screens={screens} others={others} self={self} />}
    </div>
  );
}

function Alone({ self, stage, pictures }: { self: Person; stage: Size; pictures: boolean }) {
  const room = { width: Math.min(stage.width, 720), height: Math.max(0, stage.height - 72) };
  return (
    <div class="alone">
      <ul class="people" aria-label={t("call.people")}>
        <Tile person={self} size={grid(room, 1, GAP).tile} mirrored={mirrorSelf.value} pictures={pictures} />
      </ul>
      <p class="lead">{t("call.waiting")}</p>
    </div>
  );
}

interface PeopleProps {
  others: readonly Person[];
  self: Person | null;
  stage: Size;
  pictures: boolean;
}

function People({ others, self, stage, pictures }: PeopleProps) {
  const { columns, tile } = grid(stage, others.length, GAP);
  const width = columns * tile.width + (columns - 1) * GAP;
  return (
    <ul class="people" aria-label={t("call.people")} style={{ maxWidth: `${width}px` }}>
      {others.map((person) => (
        <Tile key={person.sid} person={person} size={tile} pictures={pictures} />
      ))}
      {self && showSelf.value && <Tile key="self" person={self} mirrored={mirrorSelf.value} corner />}
    </ul>
  );
}

interface SharingProps {
  screens: readonly Person[];
  others: readonly Person[];
  self: Person | null;
}

function Sharing({ screens, others, self }: SharingProps) {
  const shown = screens[0];
  if (!shown?.screen) return null;
  const words = t("call.screen", { name: shown.name });
  return (
    <>
      <figure class="screen">
        <Picture track={shown.screen} whole label={words} />
        <figcaption class="plate">{words}</figcaption>
      </figure>
      <ul class="strip" aria-label={t("call.people")}>
        {others.map((person) => (
          <Tile key={person.sid} person={person} />
        ))}
        {self && showSelf.value && <Tile key="self" person={self} mirrored={mirrorSelf.value} />}
      </ul>
    </>
  );
}
