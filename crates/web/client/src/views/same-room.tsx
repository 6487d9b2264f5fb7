// Sitting in one room with somebody, as clients say it of themselves: one question, however many others there are.
import type { Call } from "../call";
import type { Person } from "../people";
import type { Kept } from "../rooms";
import { t } from "../texts";
import { sameRoom, type Pair, type SameRoom } from "../view";
import { Choice } from "./choice";

/** What can be kept back where there are pictures, and where there are none. */
export const keptOptions = (modality: string): readonly Kept[] => (modality === "video" ? ["audio", "audio_and_video"] : ["audio"]);

export const ways = (modality: string) =>
  (["apart", ...keptOptions(modality)] as const).map((value) => ({ value, label: t(`same_room.${value}`) }));

/** What is written makes no echo. Therapists set it in their panel. */
export function SameRoomQuestion({ call }: { call: Call }) {
  const { session } = call;
  if (!session.view.value || session.role.value === "therapist" || session.modality.value === "text") return null;
  const partners = call.others.value.filter(({ role }) => role === "client" || role === "guest");
  const [only] = partners;
  if (!only) return null;
  return partners.length === 1 ? <WithOne call={call} partner={only} /> : <WithSeveral call={call} partners={partners} />;
}

function WithOne({ call: { session }, partner }: { call: Call; partner: Person }) {
  return (
    <Choice<SameRoom>
      legend={t("same_room.question", { name: partner.name })}
      hint={t("same_room.hint")}
      options={ways(session.modality.value)}
      value={sameRoom(session.view.value, session.identity, partner.identity)}
      busy={session.busy.value.has("same-room")}
      choose={(how) => void session.run("same-room", () => session.setSameRoom(session.identity, partner.identity, how))}
    />
  );
}

function WithSeveral({ call: { session }, partners }: { call: Call; partners: readonly Person[] }) {
  const how = ({ identity }: Person): SameRoom => sameRoom(session.view.value, session.identity, identity);
  const together = partners.filter((partner) => how(partner) !== "apart");
  const kept = together.some((partner) => how(partner) === "audio_and_video") ? "audio_and_video" : "audio";
  const options = keptOptions(session.modality.value);
  const isBusy = session.busy.value.has("same-room");
  const say = (people: readonly Person[], how: SameRoom): void => {
    const pairs = people.map(({ identity }): Pair => ({ a: session.identity, b: identity, how }));
    void session.run("same-room", () => session.setPairs(pairs));
  };
  return (
    <>
      <Choice<string>
        legend={t("same_room.question_several")}
        hint={t("same_room.hint")}
        options={partners.map(({ identity, name }) => ({ value: identity, label: name }))}
        value={together.map(({ identity }) => identity)}
        busy={isBusy}
        choose={(identity) => {
          const one = partners.filter((partner) => partner.identity === identity);
          say(one, one.some((partner) => together.includes(partner)) ? "apart" : kept);
        }}
      />
      {together.length > 0 && options.length > 1 && (
        <Choice<Kept>
          legend={t("same_room.between")}
          options={[
            { value: "audio", label: t("same_room.no_sound") },
            { value: "audio_and_video", label: t("same_room.no_sound_or_picture") },
          ]}
          value={kept}
          busy={isBusy}
          choose={(kept) => say(together, kept)}
        />
      )}
    </>
  );
}
