import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Problem, problemOf } from "../api/problem.ts";
import { Trouble } from "./states.tsx";

/** Asks once more before an act, which it names, and says what became of it. */
export function Question({
  title,
  act,
  acting,
  onDone,
  onClose,
  reasonNeeded = false,
  children,
}: {
  readonly title: string;
  /** On the button: what happens. */
  readonly act: string;
  /** @throws what the page then says */
  readonly acting: (reason: string) => Promise<void>;
  readonly onDone: () => void;
  readonly onClose: () => void;
  readonly reasonNeeded?: boolean;
  readonly children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState("");
  const [isUnderWay, setUnderWay] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => dialog.current?.showModal(), []);

  async function answer(): Promise<void> {
    setUnderWay(true);
    setProblem(undefined);
    try {
      await acting(reason);
      // Closed first, so that the focus is where it was before.
      dialog.current?.close();
      onDone();
    } catch (thrown) {
      setProblem(problemOf(thrown));
    } finally {
      setUnderWay(false);
    }
  }

  return (
    <dialog ref={dialog} aria-labelledby="question" onClose={onClose}>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          void answer();
        }}
      >
        <h2 id="question">{title}</h2>
        {children}
        {reasonNeeded && (
          <label>
            Reason, which is recorded
            <input
              type="text"
              required
              maxLength={1024}
              value={reason}
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          </label>
        )}
        {problem !== undefined && <Trouble problem={problem} />}
        <p class="buttons">
          <button type="submit" class="act" disabled={isUnderWay}>
            {act}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </p>
      </form>
    </dialog>
  );
}
