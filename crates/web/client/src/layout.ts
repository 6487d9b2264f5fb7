// Where the tiles go: pure arithmetic on the size of the stage. Faces are never cut much: two partners often sit side
// by side in front of one camera, and the outer edges of the picture are where they are.

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Grid {
  readonly columns: number;
  readonly rows: number;
  readonly tile: Size;
}

const WIDEST = 16 / 9;
const NARROWEST = 4 / 3;
/** A single person on an upright phone may have an upright tile. */
const NARROWEST_ALONE = 3 / 4;
/** The part of a picture that must stay visible for it to fill its tile: 16:9 in a 4:3 tile keeps 0.75. */
const VISIBLE_PART = 0.74;

function tileIn(cell: Size, narrowest: number): Size {
  const aspect = Math.min(WIDEST, Math.max(narrowest, cell.width / cell.height));
  const width = Math.min(cell.width, cell.height * aspect);
  return { width: Math.floor(width), height: Math.floor(width / aspect) };
}

/** The grid with the largest tiles for `count` people; of equal ones the one with fewer empty places. */
export function grid(stage: Size, count: number, gap: number): Grid {
  const narrowest = count === 1 && stage.height > stage.width ? NARROWEST_ALONE : NARROWEST;
  let best: Grid = { columns: 1, rows: Math.max(1, count), tile: { width: 0, height: 0 } };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const cell = {
      width: Math.max(0, (stage.width - gap * (columns - 1)) / columns),
      height: Math.max(1, (stage.height - gap * (rows - 1)) / rows),
    };
    const tile = tileIn(cell, narrowest);
    if (tile.width * tile.height > best.tile.width * best.tile.height) best = { columns, rows, tile };
  }
  return best;
}

/** Fill the tile when little is lost by it, else show the whole picture. */
export function fit(picture: Size, tile: Size): "cover" | "contain" {
  if (!picture.width || !picture.height || !tile.width || !tile.height) return "cover";
  const a = picture.width / picture.height;
  const b = tile.width / tile.height;
  return Math.min(a, b) / Math.max(a, b) >= VISIBLE_PART ? "cover" : "contain";
}

export type Arrangement = "alone" | "grid" | "screen-beside" | "screen-above";

/** Beside a shared screen people are a column on wide stages and a row on upright ones. */
export function arrangement(stage: Size, others: number, screens: number): Arrangement {
  if (screens > 0) return stage.width / Math.max(1, stage.height) >= 1.25 ? "screen-beside" : "screen-above";
  return others === 0 ? "alone" : "grid";
}
