import { closeSync } from "node:fs";
import { type Denial, denial } from "../../domain/errors.ts";
import { type Failure, isExhaustion, type Libc, type Pidfd } from "./libc.ts";
import { type ProcessFacts, readFacts, readStartTime } from "./process-facts.ts";

export const GONE = denial("NO_IDENTITY", "the process that opened this connection is gone");
const HIDDEN = denial(
  "NO_IDENTITY",
  "the broker may not see the calling process in /proc, as where it is mounted with hidepid: give the broker's user " +
    "the group of that mount (gid=), or CAP_SYS_PTRACE",
);
const EXHAUSTED = denial("NOT_SERVING", "the broker is out of file descriptors");

/** A process pinned by a descriptor of the kernel, with the start time that its pid had while it was pinned. */
export type PinnedProcess = { readonly kind: "pinned"; readonly pidfd: number; readonly startTimeTicks: number };

/**
 * The facts of a pinned process. The descriptor shows the process alive before and after its facts are read, so its pid
 * can't have gone to another process in between.
 */
export function liveFacts(libc: Libc, pid: number, pidfd: number, withControlGroups: boolean): ProcessFacts | Denial {
  if (hasExited(libc, pidfd)) return GONE;
  const facts = readFacts(pid, withControlGroups);
  if (hasExited(libc, pidfd)) return GONE;
  return facts.kind === "failure" ? refusalOf(facts) : facts;
}

/**
 * Pins the process that connected.
 *
 * @param open - opens a descriptor of the process.
 */
export function pinProcess(libc: Libc, pid: number, open: () => Pidfd | Failure): PinnedProcess | Denial {
  const opened = open();
  if (opened.kind === "failure") return isExhaustion(opened.errno) ? EXHAUSTED : GONE;
  const startTimeTicks = readStartTime(pid);
  if (typeof startTimeTicks === "number" && !hasExited(libc, opened.fd)) {
    return { kind: "pinned", pidfd: opened.fd, startTimeTicks };
  }
  const isGone = hasExited(libc, opened.fd);
  closeSync(opened.fd);
  return isGone || typeof startTimeTicks === "number" ? GONE : refusalOf(startTimeTicks);
}

/** A process whose descriptor can't be polled counts as gone, since nothing proves it alive. */
export function hasExited(libc: Libc, pidfd: number): boolean {
  const exited = libc.haveExited([pidfd]);
  return "kind" in exited || exited[0] !== false;
}

/** Why a process that still runs has no facts. */
function refusalOf(failure: Failure): Denial {
  return isExhaustion(failure.errno) ? EXHAUSTED : HIDDEN;
}
