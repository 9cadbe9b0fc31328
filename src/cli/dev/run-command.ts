import { spawn } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";
import { Failure } from "../failure.ts";

/** Exit statuses, as shells have them. */
const STATUS = { notExecutable: 126, notFound: 127, bySignal: 128 } as const;

/**
 * Runs a command on our own standard input, output and error, to its end. A signal that asks us to end is passed on to
 * it.
 *
 * @param variables - set beside our own environment.
 * @returns the command's exit status; 128 and the signal's number when a signal ended the command.
 * @throws Failure with status 126 or 127 when the command can't be run
 */
export async function runCommand(
  command: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<number> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: "inherit", env: { ...process.env, ...variables } });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once("error", (error) => {
    const isMissing = "code" in error && error.code === "ENOENT";
    const why = isMissing ? "there is no such program" : "it can't be executed";
    reject(new Failure(`can't run ${program}: ${why}`, isMissing ? STATUS.notFound : STATUS.notExecutable));
  });
  child.once("exit", (status, signal) => {
    resolve(status ?? STATUS.bySignal + (signal === null ? 0 : constants.signals[signal]));
  });

  // A terminal sends its SIGINT to the command as well, which must not get it twice.
  const passedOn: readonly NodeJS.Signals[] = process.stdin.isTTY
    ? ["SIGTERM", "SIGHUP"]
    : ["SIGTERM", "SIGHUP", "SIGINT"];
  const passOn = (signal: NodeJS.Signals) => void child.kill(signal);
  for (const signal of passedOn) process.on(signal, passOn);
  try {
    return await promise;
  } finally {
    for (const signal of passedOn) process.off(signal, passOn);
  }
}
