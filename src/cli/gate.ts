import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import type { Duplex } from "node:stream";
import { CREDENTIAL_FD_VARIABLE } from "../sdk/runtime/credential-line.ts";
import { EXIT, Failure } from "./failure.ts";

/**
 * A process that waits. It reads, one a line, the values of the variables that its first argument names, and then
 * becomes the command. When the pipe ends first, the process ends without having run anything. A terminal's signals are
 * for the program that waits with it: the gate's death would end the step before that program can cancel it.
 */
const GATE = `
trap '' HUP INT QUIT
stint_gate_names=$1
shift
for stint_gate_name in $stint_gate_names; do
  IFS= read -r stint_gate_value <&3 || exit 125
  export "$stint_gate_name=$stint_gate_value"
done
trap - HUP INT QUIT
exec 3<&-
if ! command -v "$1" >/dev/null 2>&1 && ! [ -e "$1" ]; then
  printf "stint: can't run %s: there is no such program\\n" "$1" >&2
  exit 127
fi
unset stint_gate_names stint_gate_name stint_gate_value
exec "$@"
`;

/** What a shell adds to the signal's number for a command that a signal ended. */
const SIGNALED = 128;
/** Signals that ask a program to do something; others stop or kill the program, or are its own business. */
const FORWARDED = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

/** Names of the variables that are known only once the step is open. */
const LATER = ["STINT_STEP_ID", "STINT_STEP_ATTEMPT"] as const;

/** The first descriptor beyond those that every program has, and beyond the gate's own, which is closed before the command. */
const CREDENTIAL_FD = 4;

export type Gate = {
  /** Pid of the gate, and then of the command, which is the same process. */
  readonly pid: number;
  /** Aborts when a signal asks to end before the gate is opened; its reason is a Failure that says so. */
  readonly interrupted: AbortSignal;
  /** Lets the command run, with these variables too; gives its exit status. Throws the reason of `interrupted` after that. */
  open(variables: Readonly<Record<(typeof LATER)[number], string>>): Promise<number>;
  /** Signals the command, if it still runs. */
  signal(signal: NodeJS.Signals): void;
  /** Ends the gate; the command has never run. */
  refuse(): Promise<void>;
};

/**
 * Starts the process that will be the command.
 *
 * @param credentials - a descriptor of this process that the command is to have too, and be told the number of.
 * @throws Failure when no process can be started
 */
export function startGate(
  command: readonly string[],
  variables: Readonly<Record<string, string>>,
  credentials?: number,
): Gate {
  const isGiven = credentials !== undefined;
  const child = spawn("/bin/sh", ["-c", GATE, "stint-gate", LATER.join(" "), ...command], {
    stdio: ["inherit", "inherit", "inherit", "pipe", ...(isGiven ? [credentials] : [])],
    // A number that this process was told is of a descriptor that the command does not have.
    env: { ...process.env, ...variables, [CREDENTIAL_FD_VARIABLE]: isGiven ? String(CREDENTIAL_FD) : undefined },
  });
  // A start that failed shows by the missing pid; a signal that came too late is nothing to die of.
  child.on("error", () => undefined);
  const { pid } = child;
  if (pid === undefined) throw new Failure("can't start a process for the command", EXIT.refused);
  const exited = exitStatusOf(child);
  const pipe = child.stdio[3] as Duplex;
  // A process that was killed at the gate does not read the pipe.
  pipe.on("error", () => undefined);
  // Nothing is ever written to it from the other side, but only whoever reads learns that it was closed there.
  pipe.resume();
  const { interrupted, pass, stop: stopForwarding } = heedSignals(child, once(pipe, "close"));

  return {
    pid,
    interrupted,
    async open(late) {
      interrupted.throwIfAborted();
      pass();
      pipe.end(LATER.map((name) => `${late[name]}\n`).join(""));
      try {
        return await exited;
      } finally {
        stopForwarding();
      }
    },
    signal: (signal) => void child.kill(signal),
    async refuse() {
      pipe.end();
      await exited;
      stopForwarding();
    },
  };
}

async function exitStatusOf(child: ChildProcess): Promise<number> {
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  return code ?? SIGNALED + (signal === null ? 0 : constants.signals[signal]);
}

/**
 * What becomes of signals: before `pass` the first one is an interruption; later ones go to the command, once it is there.
 * The command has a terminal's signals from the terminal, and must not get them twice.
 *
 * @param through - is settled when the process is past the gate, or gone.
 */
function heedSignals(child: ChildProcess, through: Promise<unknown>) {
  const fromTerminal = new Set<NodeJS.Signals>(process.stdin.isTTY ? ["SIGINT", "SIGQUIT"] : []);
  const interruption = new AbortController();
  /** Signals that came while the process was on its way through the gate, which ignores some. */
  const early: NodeJS.Signals[] = [];
  let heed = (signal: NodeJS.Signals): void => {
    interruption.abort(new Failure(`interrupted (${signal}); the command has not run`, EXIT.refused));
  };
  const listener = (signal: NodeJS.Signals) => heed(signal);
  for (const signal of FORWARDED) process.on(signal, listener);

  function forward(): void {
    heed = (signal) => void (fromTerminal.has(signal) || child.kill(signal));
    for (const signal of early) child.kill(signal);
  }
  return {
    interrupted: interruption.signal,
    pass(): void {
      heed = (signal) => void early.push(signal);
      through.then(forward, forward);
    },
    stop(): void {
      for (const signal of FORWARDED) process.off(signal, listener);
    },
  };
}
