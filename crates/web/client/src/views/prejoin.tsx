// Before the call: see oneself, try microphone and speaker, choose devices, have the line tested, then join. Nobody sees
// or hears anything from here.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { canChooseSpeaker, chosen, remember, type DeviceKind } from "../devices";
import { roleWord } from "../people";
import type { LineTest } from "../line/line-test";
import type { Preview } from "../preview";
import { meter, playTestSound } from "../sound";
import { t } from "../texts";
import type { Ticket } from "../ticket";
import type { SessionView } from "../view";
import { DeviceSelect } from "./device-select";
import { Icon } from "./icons";
import { Line } from "./line";
import { PreviewPicture, PreviewSwitches } from "./mirror";
import { Page } from "./page";
import { Planned } from "./planned";

interface Props {
  ticket: Ticket;
  view: SessionView | null;
  preview: Preview;
  line: LineTest;
  joining: boolean;
  problem: string;
  join: () => void;
}

export function Prejoin({ ticket, view, preview, line, joining, problem, join }: Props) {
  const role = roleWord(ticket.role);
  // Therapists know their line, and ask when they wonder.
  const isTested = ticket.role === "client" || ticket.role === "guest";
  const trouble = preview.problem.value;
  const title = ticket.name ? t("prejoin.title_name", { name: ticket.name }) : t("prejoin.title");
  return (
    <Page title={title} wide={preview.hasMicrophone}>
      <Planned view={view} />
      {trouble && (
        <div class="problem" role="alert">
          <p>{t(trouble)}</p>
          <button class="secondary" type="button" onClick={() => void preview.start()}>
            {t("prejoin.retry")}
          </button>
        </div>
      )}
      <div class={preview.hasMicrophone ? "prejoin" : "stack"}>
        {preview.hasMicrophone && (
          <div class="stack">
            <section class="mirror" aria-label={t("prejoin.preview")}>
              {preview.hasCamera && <PreviewPicture preview={preview} />}
              <PreviewSwitches preview={preview} busy={joining || preview.starting.value} />
              <Level preview={preview} />
            </section>
            <Line line={line} view={view} byItself={isTested && !joining && !preview.starting.value} />
          </div>
        )}
        <section class="stack" aria-label={t("prejoin.devices")}>
          {role && <p class="lead">{t("prejoin.role", { role })}</p>}
          {preview.hasMicrophone && <Devices preview={preview} />}
        </section>
        <div class="join">
          {/* Beside the button that was pressed: it stays in sight on a phone, what is above it does not. */}
          {problem && (
            <p class="problem" role="alert">
              {problem}
            </p>
          )}
          <button
            class="primary"
            type="button"
            disabled={joining || preview.starting.value}
            aria-busy={joining}
            onClick={join}
          >
            {joining ? t("prejoin.joining") : t("prejoin.join")}
          </button>
          <p class="quiet">{t("prejoin.unseen")}</p>
        </div>
      </div>
    </Page>
  );
}

/** A meter a screen reader can follow: the sentence under it changes once a voice was heard. */
function Level({ preview }: { preview: Preview }) {
  const level = useSignal(0);
  const heard = useSignal(false);
  const track = preview.microphone.value?.mediaStreamTrack;

  useEffect(() => {
    level.value = 0;
    if (!track) return;
    return meter(track, (now) => {
      level.value = now;
      if (now > 0.3) heard.value = true;
    });
  }, [track]);

  const words = track ? t(heard.value ? "prejoin.level_good" : "prejoin.level_hint") : t("prejoin.level_off");
  return (
    <div class="level">
      <div
        class="level-bar"
        role="meter"
        aria-label={t("prejoin.level")}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(level.value * 100)}
      >
        <span style={{ transform: `scaleX(${level.value.toFixed(3)})` }} />
      </div>
      <p class="quiet" role="status">
        {words}
      </p>
    </div>
  );
}

function Devices({ preview }: { preview: Preview }) {
  const choose = (kind: DeviceKind, id: string): void => void preview.choose(kind, id);
  const inUse = (track: MediaStreamTrack | undefined): string | undefined => track?.getSettings().deviceId;
  return (
    <>
      {preview.hasCamera && (
        <DeviceSelect kind="camera" current={inUse(preview.camera.value?.mediaStreamTrack)} choose={choose} />
      )}
      <DeviceSelect kind="microphone" current={inUse(preview.microphone.value?.mediaStreamTrack)} choose={choose} />
      {canChooseSpeaker && <DeviceSelect kind="speaker" choose={remember} />}
      <button class="text-button" type="button" onClick={() => void playTestSound(chosen.value.speaker)}>
        <Icon name="sound" />
        {t("device.test_sound")}
      </button>
    </>
  );
}
