// The paths that are tried. Each is a home line, equal both ways; at `at` seconds into the call it becomes another.

const MBIT = 1_000_000;
/** A common home router: a queue of 200 ms. 20 ms each way is a server in the same country. */
const HOME = { queue_ms: 200, delay_ms: 20, loss: 0 };
const both = (words) => ({ down: { ...HOME, ...words }, up: { ...HOME, ...words } });

/** Three cameras of 720 lines are more than two cores encode. This is the least that is sent as three layers, as those are. */
const SMALLER = { width: 960, height: 540, frameRate: 20 };

/** `partners`: how many people sit behind the line; one therapist is outside. `seconds` are those measured. `size`: of the
 * cameras, where it is not 1280 x 720. `back`: when the line is well again, and how many lines a picture then has. */
export const CASES = [
  { id: "2.5", what: "2.5 Mbit/s", partners: 1, seconds: 40, start: both({ rate: 2.5 * MBIT }), changes: [] },
  {
    id: "3-1-3",
    what: "3, after 20 s 1, after 40 s 3 Mbit/s",
    partners: 1,
    seconds: 60,
    start: both({ rate: 3 * MBIT }),
    changes: [
      { at: 20, set: both({ rate: 1 * MBIT }) },
      { at: 40, set: both({ rate: 3 * MBIT }) },
    ],
    back: { at: 40, height: 720 },
  },
  { id: "loss", what: "2.5 Mbit/s, 5 % random loss", partners: 1, seconds: 40, start: both({ rate: 2.5 * MBIT, loss: 0.05 }), changes: [] },
  {
    id: "outage",
    what: "2.5 Mbit/s, nothing at all from 15 to 18 s",
    partners: 1,
    seconds: 40,
    start: both({ rate: 2.5 * MBIT }),
    changes: [
      { at: 15, set: { outage: true } },
      { at: 18, set: { outage: false } },
    ],
    back: { at: 18, height: 1 },
  },
  {
    id: "0.15",
    what: "3, after 5 s 0.15 Mbit/s: hardly more than voices",
    partners: 1,
    seconds: 45,
    start: both({ rate: 3 * MBIT }),
    changes: [{ at: 5, set: both({ rate: 0.15 * MBIT }) }],
  },
  {
    id: "couple",
    what: "two partners behind one line of 3 Mbit/s",
    partners: 2,
    seconds: 40,
    size: SMALLER,
    start: both({ rate: 3 * MBIT }),
    changes: [],
  },
];
