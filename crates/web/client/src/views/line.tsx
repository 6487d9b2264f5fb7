// The connection test on the check page: what it found in plain words, and what helps. It hinders nobody from joining.
import { useEffect } from "preact/hooks";
import type { LineState, LineTest } from "../line/line-test";
import { advice, isUnsteady, type Advice, type Measured, type Verdict } from "../line/verdict";
import { language, t, type TextKey } from "../texts";
import type { SessionView } from "../view";
import { BackupPlan } from "./backup-plan";

/** Whoever joins at once is not tested: the test begins when somebody takes their time. */
const BEGINS_AFTER_MS = 1_500;

const VERDICTS: Record<Verdict, TextKey> = {
  good: "line.good",
  fair: "line.fair",
  weak: "line.weak",
  poor: "line.poor",
  blocked: "line.blocked",
};

const ADVICE: Record<Advice, TextKey> = {
  wired: "line.advice_wired",
  closer: "line.advice_closer",
  camera: "line.advice_camera",
  phone: "line.advice_phone",
  network: "line.advice_network",
};

interface Props {
  line: LineTest;
  view: SessionView | null;
  /** Whether the devices are ready and the test may begin by itself. */
  byItself: boolean;
}

export function Line({ line, view, byItself }: Props) {
  useEffect(() => {
    if (!byItself || line.state.value.at !== "idle") return;
    const timer = setTimeout(() => void line.start(), BEGINS_AFTER_MS);
    return () => clearTimeout(timer);
  }, [line, byItself]);

  const state = line.state.value;
  const isShaky = state.at === "known" && (state.verdict === "poor" || state.verdict === "blocked");
  return (
    <section class="card stack-small line-test" aria-labelledby="line-title" data-line={state.at}>
      <h2 class="card-title" id="line-title">
        {t("line.title")}
      </h2>
      <div role="status">
        <Found state={state} />
      </div>
      {state.at === "running" && (
        <progress class="line-progress" value={state.done} aria-label={t("line.progress")} />
      )}
      {state.at === "known" && <Figures of={state} />}
      {isShaky && <BackupPlan view={view} />}
      {state.at !== "running" && (
        <button class="secondary small" type="button" onClick={() => void line.start()}>
          {t(state.at === "known" ? "line.again" : "line.offer")}
        </button>
      )}
    </section>
  );
}

function Found({ state }: { state: LineState }) {
  if (state.at === "idle") return <p class="quiet">{t("line.hint")}</p>;
  if (state.at === "running") return <p class="quiet">{t("line.running")}</p>;
  if (state.at === "unavailable") return <p class="quiet">{t("line.unavailable")}</p>;
  const { verdict, measured } = state;
  const helps = advice(verdict);
  return (
    <>
      <p class="line-verdict">{t(VERDICTS[verdict])}</p>
      {verdict !== "blocked" && isUnsteady(measured) && <p>{t("line.unsteady")}</p>}
      {helps.length > 0 && (
        <ul class="line-advice">
          {helps.map((one) => (
            <li key={one}>{t(ADVICE[one])}</li>
          ))}
        </ul>
      )}
    </>
  );
}

const megabits = (kbps: number): string =>
  new Intl.NumberFormat(language.value, { maximumFractionDigits: 1 }).format(kbps / 1000);

function Figures({ of: { verdict, measured } }: { of: { verdict: Verdict; measured: Measured } }) {
  if (verdict === "blocked") return null;
  const { down_kbps, up_kbps, loss_percent, round_trip_ms } = measured;
  return (
    <details class="fold">
      <summary>{t("line.figures")}</summary>
      <p class="quiet">
        {t("line.numbers", {
          down: megabits(down_kbps),
          up: megabits(up_kbps),
          loss: loss_percent,
          time: round_trip_ms,
        })}
      </p>
    </details>
  );
}
