import { setMaxListeners } from "node:events";
import type { Broker } from "./broker.ts";
import { holdStep } from "./hold-step.ts";
import { type StintError, stepClosed } from "./stint-error.ts";

/** When a step ends, whoever ends it. */
export type StepLifetime = {
  /** Aborts once the step has ended or is being closed; its reason is a StintError. */
  readonly ended: AbortSignal;
  /** Resolves once the step is held, where it is to be, or has ended. */
  readonly begun: Promise<void>;
  /** Ends the use of the step, and keeps it held: for a close that is under way. */
  endUse(error: StintError): void;
  /** Ends both. */
  end(error: StintError): void;
};

/** Something that a step does not outlive: its parent, or the client it was opened with. */
export type EndsWith = { readonly signal: AbortSignal; readonly error: (stepId: string) => StintError };

/**
 * Watches over an open step: by its hold, by the clock, and by what it ends with.
 *
 * @param options.graceMs - how long a lost hold may take to be found again.
 */
export function watchStep(options: {
  readonly broker: Broker;
  readonly stepId: string;
  readonly expiresAt: Date;
  readonly hold: boolean;
  readonly graceMs?: number | undefined;
  readonly endsWith: readonly EndsWith[];
}): StepLifetime {
  const { broker, stepId, graceMs } = options;
  const controller = new AbortController();
  const ended = controller.signal;
  const begun = Promise.withResolvers<void>();
  // Every call under way listens to it; many of them are no leak.
  setMaxListeners(0, ended);

  function endUse(error: StintError): void {
    clearTimeout(expiry);
    controller.abort(error);
    begun.resolve();
  }
  function end(error: StintError): void {
    letGo();
    endUse(error);
  }
  // The broker says so too; this one is heard when the broker is not.
  const expiry = setTimeout(() => end(stepClosed(stepId, "EXPIRED")), options.expiresAt.getTime() - Date.now());
  expiry.unref();
  const onUp = begun.resolve;
  const letGo = options.hold ? holdStep({ broker, stepId, graceMs, onUp, onEnd: endUse }) : onUp;
  if (!options.hold) onUp();
  for (const other of options.endsWith) {
    const follow = () => end(other.error(stepId));
    if (other.signal.aborted) follow();
    else other.signal.addEventListener("abort", follow, { once: true, signal: ended });
  }
  return { ended, begun: begun.promise, endUse, end };
}
