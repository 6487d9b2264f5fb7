// Waiting for what should become true: asks again and again until a deadline, and says what it saw last.

const PAUSE_MS = 200;

/** Resolves with the first truthy answer of `ask`, or fails `within` milliseconds later. */
export async function until(what, ask, within = 20_000) {
  const deadline = performance.now() + within;
  let last;
  for (;;) {
    try {
      last = await ask();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`not within ${within / 1000} s: ${what} (last: ${seen})`);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** Holds for `milliseconds`: fails as soon as `ask` is falsy. For things that must not happen. */
export async function holds(what, ask, milliseconds) {
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    if (!(await ask())) throw new Error(`did not hold: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
