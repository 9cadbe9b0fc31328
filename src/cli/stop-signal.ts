import { constants } from "node:os";
import process from "node:process";

/** By these a terminal or a supervisor asks a program to stop. */
const STOPPING = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
/** The same, and what a terminal sends for Ctrl-backslash. */
export const STOPPING_OR_QUITTING = [...STOPPING, "SIGQUIT"] as const;
/** What a shell adds to the signal's number for a command that a signal ended. */
const SIGNALED = 128;

type Stopping = (typeof STOPPING_OR_QUITTING)[number];

export type Stop = {
  /** Aborts when this process is asked to stop. */
  readonly signal: AbortSignal;
  /** The exit status that says by what; `undefined` while it has not been. */
  exitStatus(): number | undefined;
  [Symbol.dispose](): void;
};

/** Listens for what asks this process to stop, which then does not end it. */
export function listenForStop(signals: readonly Stopping[] = STOPPING): Stop {
  const stop = new AbortController();
  let by: Stopping | undefined;
  const listeners = signals.map((signal) => {
    const listener = () => {
      by ??= signal;
      stop.abort();
    };
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  return {
    signal: stop.signal,
    exitStatus: () => (by === undefined ? undefined : exitStatusOf(by)),
    [Symbol.dispose]() {
      for (const off of listeners) off();
    },
  };
}

/** Whether an exit status says that a program was asked to stop; any other signal is the program's own failure. */
export function isStopped(exitStatus: number): boolean {
  return STOPPING_OR_QUITTING.some((signal) => exitStatus === exitStatusOf(signal));
}

function exitStatusOf(signal: Stopping): number {
  return SIGNALED + constants.signals[signal];
}
