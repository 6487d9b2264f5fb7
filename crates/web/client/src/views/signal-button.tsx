// A private sign to the therapists: one press, and only the person who pressed sees that it went.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Session } from "../session";
import { t } from "../texts";
import { Icon } from "./icons";

/** As long as the server takes a second sign for the first one; then it may be given again. */
const SENT_MS = 6_000;

/** Gives the sign, and says for a while that it was given. */
export function useSign(session: Session): { sent: boolean; give: () => void } {
  const sentAt = useSignal(0);
  useEffect(() => {
    if (!sentAt.value) return;
    const timer = setTimeout(() => (sentAt.value = 0), SENT_MS);
    return () => clearTimeout(timer);
  }, [sentAt.value]);
  const give = async (): Promise<void> => {
    const answer = await session.run("signal", async () => (await session.signal(), true));
    if (answer) sentAt.value = performance.now();
  };
  return { sent: sentAt.value > 0, give: () => void give() };
}

export function SignalButton({ session }: { session: Session }) {
  const { sent, give } = useSign(session);
  return (
    <>
      <button class="secondary with-icon" type="button" onClick={give}>
        <Icon name={sent ? "done" : "hand"} />
        {t("signal.ask")}
      </button>
      <p class="signal-sent" role="status">
        {sent && t("signal.sent")}
      </p>
    </>
  );
}
