// Keeps the screen on during a call: a phone that dims in the middle of a sentence also stops its camera.

/** Until the returned function is called. Browsers release the lock with the tab, so it is asked for again with it. */
export function stayAwake(): () => void {
  let lock: WakeLockSentinel | null = null;
  let over = false;

  const ask = async (): Promise<void> => {
    if (document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
    try {
      lock = await navigator.wakeLock.request("screen");
      if (over) await lock.release();
    } catch {
      // Low battery, or not allowed: the call goes on without.
    }
  };

  const askAgain = (): void => void ask();
  document.addEventListener("visibilitychange", askAgain);
  askAgain();
  return () => {
    over = true;
    document.removeEventListener("visibilitychange", askAgain);
    void lock?.release();
  };
}
