// A button that gives a command: busy while it is on its way, and never twice at once. It stays focusable meanwhile.
import type { ComponentChildren } from "preact";
import type { Session } from "../session";

interface Props {
  session: Session;
  /** The command's name; one per button. */
  name: string;
  give: () => Promise<unknown>;
  /** For assistive technology, where the words on the button are short; contains them. */
  label?: string;
  look?: "primary" | "secondary" | "danger";
  children: ComponentChildren;
}

export function CommandButton({ session, name, give, label, look = "secondary", children }: Props) {
  return (
    <button
      class={`${look} small`}
      type="button"
      aria-label={label}
      aria-busy={session.busy.value.has(name)}
      onClick={() => void session.run(name, give)}
    >
      {children}
    </button>
  );
}
