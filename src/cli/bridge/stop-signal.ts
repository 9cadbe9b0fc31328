import { constants } from "node:os";
import process from "node:process";

/** By these somebody asks a program to stop; any other is the program's own failure. */
const STOPPED_BY = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"] as const;
/** What a shell adds to the signal's number for a command that a signal ended. */
const SIGNALED = 128;

export type Stop = {
  /** Aborts when this process is asked to stop. */
  readonly signal: AbortSignal;
  /** The exit status that says by what; `undefined` while it has not been. */
  exitStatus(): number | undefined;
  [Symbol.dispose](): void;
};

/** Listens for what asks this process to stop, which then does not end it. */
export function listenForStop(): Stop {
  const stop = new AbortController();
  let by: (typeof STOPPED_BY)[number] | undefined;
  const listeners = STOPPED_BY.map((signal) => {
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

/** Whether an exit status says that a program was asked to stop. */
export function isStopped(exitStatus: number): boolean {
  return STOPPED_BY.some((signal) => exitStatus === exitStatusOf(signal));
}

function exitStatusOf(signal: (typeof STOPPED_BY)[number]): number {
  return SIGNALED + constants.signals[signal];
}
