// Oneself before anybody else sees it: the camera's picture, and the switches of microphone and camera.
import type { Preview } from "../preview";
import { t } from "../texts";
import { Icon } from "./icons";
import { Picture } from "./picture";

export function PreviewPicture({ preview }: { preview: Preview }) {
  const camera = preview.camera.value;
  if (camera) {
    return (
      <div class="tile preview">
        <Picture track={camera} mirrored label={t("prejoin.preview")} />
      </div>
    );
  }
  return (
    <div class="tile preview">
      <p class="tile-words">{preview.starting.value ? t("prejoin.camera_starting") : t("prejoin.camera_off")}</p>
    </div>
  );
}

export function PreviewSwitches({ preview, busy }: { preview: Preview; busy: boolean }) {
  const microphone = preview.microphone.value !== null;
  const camera = preview.camera.value !== null;
  return (
    <div class="switches">
      <button
        class="round"
        type="button"
        data-off={!microphone}
        disabled={busy}
        aria-label={t(microphone ? "control.microphone_off" : "control.microphone_on")}
        onClick={() => void preview.setMicrophone(!microphone)}
      >
        <Icon name={microphone ? "microphone" : "microphone-off"} />
      </button>
      {preview.hasCamera && (
        <button
          class="round"
          type="button"
          data-off={!camera}
          disabled={busy}
          aria-label={t(camera ? "control.camera_off" : "control.camera_on")}
          onClick={() => void preview.setCamera(!camera)}
        >
          <Icon name={camera ? "camera" : "camera-off"} />
        </button>
      )}
    </div>
  );
}
