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
