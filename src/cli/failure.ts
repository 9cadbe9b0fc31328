import { BrokerError } from "../domain/errors.ts";
import { CallError, whyUnreachable } from "../wire/call-error.ts";
import { showControls } from "./output/show-controls.ts";

/** Exit statuses: pinned, since scripts branch on them. */
export const EXIT = { done: 0, refused: 1, usage: 2, unreachable: 3 } as const;

/** How a command fails: what is said of the failure on standard error, and the exit status. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly exitStatus: number;

  constructor(message: string, exitStatus: number, options: { readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.exitStatus = exitStatus;
  }
}

/** Ends with the status of a command that was run, without a word of our own. */
export class ExitStatus extends Error {
  override readonly name = "ExitStatus";
  readonly exitStatus: number;

  constructor(exitStatus: number) {
    super(`exit status ${exitStatus}`);
    this.exitStatus = exitStatus;
  }
}

/** A mistake in how the command was called, or in what it was given to read. */
export function usageFailure(message: string): Failure {
  return new Failure(message, EXIT.usage);
}

/**
 * The failure that says what was caught.
 *
 * @param endpoint - where the call went, if one was made.
 */
export function failureOf(thrown: unknown, endpoint: string | undefined): Failure {
  if (thrown instanceof Failure) return thrown;
  // Thrown on our side, before anything was sent: what the user gave could not be accepted.
  if (thrown instanceof BrokerError) return new Failure(`${thrown.code}: ${thrown.message}`, EXIT.usage);
  if (!(thrown instanceof CallError)) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new Failure(`internal error: ${showControls(message)}`, EXIT.refused, { cause: thrown });
  }
  if (thrown.unreachable) {
    const where = endpoint ?? "its socket";
    return new Failure(`can't reach the broker at ${where}: ${whyUnreachable(thrown)}`, EXIT.unreachable);
  }
  const decision = thrown.metadata["decision_id"];
  const text = `${thrown.info?.reason ?? thrown.codeName}: ${thrown.message}`;
  const isNamed = decision === undefined || text.includes(decision);
  return new Failure(showControls(isNamed ? text : `${text} (${decision})`), EXIT.refused);
}
