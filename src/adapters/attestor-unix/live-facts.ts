import { closeSync } from "node:fs";
import { type Denial, denial } from "../../domain/errors.ts";
import { type Failure, isExhaustion, type Libc, type Pidfd } from "./libc.ts";
import { openStatus, type ProcessFacts, readFacts, readStartTime } from "./process-facts.ts";
import type { StatusFiles } from "./status-files.ts";

const GONE = denial("NO_IDENTITY", "the process that opened this connection is gone");
const HIDDEN = denial(
  "NO_IDENTITY",
  "the broker may not see the calling process in /proc, as where it is mounted with hidepid: give the broker's user " +
    "the group of that mount (gid=), or CAP_SYS_PTRACE",
);
const EXHAUSTED = denial("NOT_SERVING", "the broker is out of file descriptors");

/**
 * A process pinned by a descriptor of the kernel, which showed it alive after its pid was told and its start time read.
 * Both belong to the process for as long as it lives.
 */
export type PinnedProcess = {
  readonly kind: "pinned";
  readonly pid: number;
  readonly pidfd: number;
  readonly startTimeTicks: number;
};

/**
 * The facts of a pinned process, with the process shown alive before and after they are read, so that its pid can't
 * have gone to another process in between: before, when it was pinned, and after, by its `status`, which is read last.
 *
 * @param files - where its `status` may be kept open from one look to the next.
 */
export function liveFacts(
  libc: Libc,
  process: PinnedProcess,
  withControlGroups: boolean,
  files?: StatusFiles,
): ProcessFacts | Denial {
  const kept = files?.of(process);
  if (kept !== undefined) return factsOrDenial(readFacts(process.pid, kept, withControlGroups));

  const opened = openStatus(process.pid);
  if (typeof opened !== "number") return hasExited(libc, process.pidfd) ? GONE : refusalOf(opened);
  const facts = readFacts(process.pid, opened, withControlGroups);
  // What was opened by its pid is of this process only if the process still has the pid.
  const isGone = hasExited(libc, process.pidfd);
  if (isGone || facts.kind === "failure" || files === undefined) closeSync(opened);
  else files.keep(process, opened);
  return isGone ? GONE : factsOrDenial(facts);
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
    return { kind: "pinned", pid, pidfd: opened.fd, startTimeTicks };
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

function factsOrDenial(facts: ProcessFacts | Failure): ProcessFacts | Denial {
  if (facts.kind === "facts") return facts;
  return facts.errno === "ESRCH" ? GONE : refusalOf(facts);
}

/** Why a process that still runs has no facts. */
function refusalOf(failure: Failure): Denial {
  return isExhaustion(failure.errno) ? EXHAUSTED : HIDDEN;
}
