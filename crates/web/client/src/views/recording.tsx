// Whether a recorder of the clinic's may take part: asked only where the session allows one at all.
import type { Session } from "../session";
import { t } from "../texts";
import { Choice } from "./choice";

export function RecordingAgreement({ session }: { session: Session }) {
  const view = session.view.value;
  if (!view || view.session.recording === "never" || view.recording_agreement === null) return null;
  return (
    <Choice<"yes" | "no">
      legend={t("recording.question")}
      options={[
        { value: "no", label: t("recording.no") },
        { value: "yes", label: t("recording.yes") },
      ]}
      value={view.recording_agreement ? "yes" : "no"}
      busy={session.busy.value.has("recording")}
      choose={(answer) => void session.run("recording", () => session.agreeToRecording(answer === "yes"))}
    />
  );
}
