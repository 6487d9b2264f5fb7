// One or some of a few, as buttons that are pressed in or not: arrow keys through radio buttons would give a command at
// every step. It shows what the server says is chosen, never what was merely pressed.
import { useId } from "preact/hooks";

interface Props<T extends string> {
  legend: string;
  hint?: string;
  options: readonly { readonly value: T; readonly label: string }[];
  /** What is chosen. Where several may be, pressing one that is chosen takes it back. */
  value: T | readonly T[];
  busy: boolean;
  choose: (value: T) => void;
}

export function Choice<T extends string>({ legend, hint, options, value, busy, choose }: Props<T>) {
  const id = useId();
  const isChosen = (option: T): boolean => (Array.isArray(value) ? value.includes(option) : option === value);
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
            aria-pressed={isChosen(option.value)}
            onClick={() => (Array.isArray(value) || !isChosen(option.value)) && choose(option.value)}
          >
            {option.label}
          </button>
        ))}
      </div>
    </fieldset>
  );
}
