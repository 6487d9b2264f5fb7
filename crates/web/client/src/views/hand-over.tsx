// Going on with another device: a link that works once and for two minutes, as a picture to scan, and a code to type.
// This device stays in the call until the other one has taken the seat.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Call } from "../call";
import { qrPath } from "../qr";
import { t, tn } from "../texts";
import { handOverLink, type Ticket } from "../ticket";
import { Dialog } from "./dialog";
import { Icon } from "./icons";

interface Offer {
  readonly link: string;
  /** `null`: what is typed cannot carry the key that the session is encrypted with. */
  readonly code: string | null;
  readonly expiresAt: number;
}

export function HandOver({ call, ticket, close }: { call: Call; ticket: Ticket; close: () => void }) {
  const offer = useSignal<Offer | null>(null);
  const failed = useSignal(false);
  const { session } = call;

  const ask = async (): Promise<void> => {
    failed.value = false;
    const answer = await session.run("hand-over", () => session.handOver());
    failed.value = !answer;
    if (!answer) return;
    const expiresAt = answer.expires_at_ms - session.skew;
    // The new device needs a moment after the link was used.
    call.handingOver(expiresAt - Date.now() + 60_000);
    const code = ticket.key === null ? answer.code : null;
    offer.value = { link: handOverLink(answer.ticket, ticket.key), code, expiresAt };
  };

  useEffect(() => void ask(), []);

  return (
    <Dialog title={t("hand_over.title")} close={close}>
      <p>{t("hand_over.text")}</p>
      {offer.value && <Shown key={offer.value.link} offer={offer.value} again={() => void ask()} />}
      {failed.value && (
        <div class="problem" role="alert">
          <p>{t("hand_over.failed")}</p>
          <button class="secondary" type="button" onClick={() => void ask()}>
            {t("prejoin.retry")}
          </button>
        </div>
      )}
      <button class="primary" type="button" onClick={close}>
        {t("hand_over.close")}
      </button>
    </Dialog>
  );
}

function Shown({ offer, again }: { offer: Offer; again: () => void }) {
  const minutes = useSignal(minutesUntil(offer.expiresAt));
  const copied = useSignal(false);
  useEffect(() => {
    const timer = setInterval(() => (minutes.value = minutesUntil(offer.expiresAt)), 1_000);
    return () => clearInterval(timer);
  }, [offer]);

  if (minutes.value <= 0) {
    return (
      <div class="stack-small" role="status">
        <p>{t("hand_over.expired")}</p>
        <button class="secondary" type="button" onClick={again}>
          {t("hand_over.again")}
        </button>
      </div>
    );
  }

  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(offer.link);
    copied.value = true;
  };
  const { size, path } = qrPath(offer.link);
  return (
    <>
      <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={t("hand_over.picture")}>
        <rect width={size} height={size} fill="#fff" />
        <path d={path} fill="#000" shape-rendering="crispEdges" />
      </svg>
      {offer.code && (
        <div class="stack-small">
          <p>{t("hand_over.code", { address: location.host })}</p>
          <output class="code">{offer.code}</output>
        </div>
      )}
      <button class="secondary with-icon" type="button" onClick={() => void copy().catch(() => undefined)}>
        <Icon name={copied.value ? "done" : "copy"} />
        {t(copied.value ? "hand_over.copied" : "hand_over.copy")}
      </button>
      <p class="hidden-words" role="status">
        {copied.value && t("hand_over.copied")}
      </p>
      <p class="quiet">{tn("hand_over.expires", minutes.value, { minutes: minutes.value })}</p>
    </>
  );
}

/** The server's clock comes in whole seconds, and the other device needs one to ask. */
const MARGIN_MS = 2_000;

/** Full and begun minutes, so that "1 minute" is the last thing said. */
const minutesUntil = (at: number): number => Math.max(0, Math.ceil((at - MARGIN_MS - Date.now()) / 60_000));
