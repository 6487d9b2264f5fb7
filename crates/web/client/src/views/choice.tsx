// One of a few, as buttons that are pressed in or not: arrow keys through radio buttons would give a command at every
// step. It shows what the server says is chosen, never what was merely pressed.
import { useId } from "preact/hooks";

interface Props<T extends string> {
  legend: string;
  hint?: string;
  options: readonly { readonly value: T; readonly label: string }[];
  value: T;
  busy: boolean;
  choose: (value: T) => void;
}

export function Choice<T extends string>({ legend, hint, options, value, busy, choose }: Props<T>) {
  const id = useId();
  return (
    <fieldset class="choice" aria-busy={busy} aria-describedby={hint ? `${id}-hint` : undefined}>
      <legend>{legend}</legend>
      {hint && (
        <p id={`${id}-hint`} class="quiet">
          {hint}
        </p>
      )}
      <div class="choice-options">
        {options.map((option) => (
          <button
            key={option.value}
            class="choice-option"
            type="button"
            aria-pressed={option.value === value}
            onClick={() => option.value !== value && choose(option.value)}
          >
            {option.label}
          </button>
        ))}
      </div>
    </fieldset>
  );
}
