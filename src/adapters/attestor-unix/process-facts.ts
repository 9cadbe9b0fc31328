import { closeSync, openSync, readlinkSync, readSync } from "node:fs";
import type { Failure } from "./libc.ts";

/** What /proc says of one process at one moment. */
export type ProcessFacts = {
  readonly kind: "facts";
  /** Effective ids, which are what `SO_PEERCRED` reports too. */
  readonly uid: number;
  readonly gid: number;
  readonly supplementaryGids: readonly number[];
  /** Whether the process has one pid alone: a process of a nested PID namespace has a pid in each namespace. */
  readonly sharesPids: boolean;
  /** Target of the `exe` link as the kernel prints it, which is not always a path that can be believed. */
  readonly executableLink: string | Failure;
  /** As in `mnt:[4026531832]`. */
  readonly mountNamespace: string | Failure;
  /** Content of the `cgroup` file, where it was asked for. */
  readonly controlGroups?: string | Failure;
};

/** `stat` and `status` fit many times over, save for a process in thousands of groups. */
const READ_BYTES = 4_096;
/** Twice what the `status` of a process in all the groups takes that Linux lets a process be in. */
const STATUS_BYTES_MAX = 2 * 1024 * 1024;
/** One buffer for all reads: every read is synchronous, and its text is copied out. */
const readBuffer = Buffer.alloc(READ_BYTES);

/** A descriptor of the `status` of the process that has this pid now. The caller who got it closes it. */
export function openStatus(pid: number): number | Failure {
  return attempt(() => openSync(`/proc/${pid}/status`, "r"));
}

/**
 * Reads the facts of a process. No file is read whose content comes from the process's own memory (`cmdline`,
 * `environ`), since the process could hold up the reader of such a file for ever.
 *
 * The order matters. `status` is last, since it shows that the process still runs, so that what was read by its pid was
 * of this process; and since a user or group that was changed by executing a program is seen when the program is. The
 * mount namespace comes after the executable: who goes into another one, to forge a path there, does so before.
 *
 * @param statusFd - descriptor of the `status` of the process that has this pid.
 * @returns failure ESRCH when the process has ended; a zombie has
 */
export function readFacts(pid: number, statusFd: number, withControlGroups: boolean): ProcessFacts | Failure {
  const executableLink = attempt(() => readlinkSync(`/proc/${pid}/exe`));
  const mountNamespace = attempt(() => readlinkSync(`/proc/${pid}/ns/mnt`));
  const controlGroups = withControlGroups ? { controlGroups: readControlGroups(pid) } : {};
  const status = attempt(() => readWhole(statusFd));
  if (typeof status !== "string") return status;
  const parsed = parseStatus(status);
  if (parsed === undefined) return { kind: "failure", errno: "EPROTO" };
  const { hasExited, ...identity } = parsed;
  if (hasExited) return { kind: "failure", errno: "ESRCH" };
  return { kind: "facts", ...identity, executableLink, mountNamespace, ...controlGroups };
}

/** Clock ticks since boot at which the process with this pid started. */
export function readStartTime(pid: number): number | Failure {
  const stat = attempt(() => readText(`/proc/${pid}/stat`));
  if (typeof stat !== "string") return stat;
  return parseStartTime(stat) ?? { kind: "failure", errno: "EPROTO" };
}

/** Who the parent of a process is, and when the process itself started. `parentPid` 0: none that the broker can see. */
export type Parentage = {
  readonly kind: "parentage";
  readonly startTimeTicks: number;
  readonly parentPid: number;
  /** Pid of the session's first process, which may have ended; 0 where the broker has no number for it. */
  readonly session: number;
  /** What the program calls itself, at most 15 bytes. */
  readonly name: string;
};

/** The parentage of the process that has this pid now. */
export function readParentage(pid: number): Parentage | Failure {
  const stat = attempt(() => readText(`/proc/${pid}/stat`));
  if (typeof stat !== "string") return stat;
  const startTimeTicks = parseStartTime(stat);
  const parentPid = parseNumber(fieldOf(stat, 4));
  const session = parseNumber(fieldOf(stat, 6));
  if (startTimeTicks === undefined || parentPid === undefined || session === undefined) {
    return { kind: "failure", errno: "EPROTO" };
  }
  const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
  return { kind: "parentage", startTimeTicks, parentPid, session, name };
}

/** Whether the process is the first of a PID namespace, which takes in the orphans there. */
export function isFirstOfNamespace(pid: number): boolean | Failure {
  const status = attempt(() => readText(`/proc/${pid}/status`));
  if (typeof status !== "string") return status;
  return /^NSpid:(?:\t\d+)*\t1$/m.test(status);
}

/** Content of the `cgroup` file. */
export function readControlGroups(pid: number): string | Failure {
  return attempt(() => readText(`/proc/${pid}/cgroup`));
}

/**
 * Field 22 of /proc/<pid>/stat. The second field is the program's name in parentheses, which the process chooses: it may
 * hold spaces, parentheses and line ends, so fields are counted from the last parenthesis.
 *
 * @see proc_pid_stat(5)
 */
export function parseStartTime(stat: string): number | undefined {
  return parseNumber(fieldOf(stat, 22));
}

/** A field after the second, by its number in proc_pid_stat(5). */
function fieldOf(stat: string, number: number): string | undefined {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[number - 3];
}

/**
 * The effective ids, the supplementary groups, the number of pids and the state in /proc/<pid>/status. The kernel
 * escapes line ends in the program's name on the first line, so a process can't forge a line.
 *
 * @returns hasExited: as a pidfd tells it: the main thread has ended, and no other thread is left
 * @see proc_pid_status(5)
 */
export function parseStatus(
  status: string,
):
  | (Pick<ProcessFacts, "uid" | "gid" | "supplementaryGids" | "sharesPids"> & { readonly hasExited: boolean })
  | undefined {
  const state = /^State:\t(\w)/m.exec(status)?.[1];
  const uid = parseNumber(/^Uid:\t\d+\t(\d+)/m.exec(status)?.[1]);
  const gid = parseNumber(/^Gid:\t\d+\t(\d+)/m.exec(status)?.[1]);
  const groups = /^Groups:\t([\d ]*)$/m.exec(status)?.[1];
  const pids = /^NSpid:\t([\d\t]+)$/m.exec(status)?.[1];
  if (state === undefined || uid === undefined || gid === undefined) return undefined;
  if (groups === undefined || pids === undefined) return undefined;
  return {
    uid,
    gid,
    supplementaryGids: groups
      .split(" ")
      .filter((text) => text !== "")
      .map(Number),
    sharesPids: !pids.includes("\t"),
    hasExited: (state === "Z" || state === "X") && !hasOtherThreads(status),
  };
}

/** The main thread is counted until the process has ended. A count that is missing counts nobody. */
function hasOtherThreads(status: string): boolean {
  return Number(/^Threads:\t(\d+)$/m.exec(status)?.[1] ?? 0) > 1;
}

function parseNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Reads a file of /proc by hand: `readFileSync` asks for the size first and takes twice as long. */
function readText(path: string): string {
  const fd = openSync(path, "r");
  try {
    let text = "";
    for (;;) {
      const bytes = readSync(fd, readBuffer, 0, READ_BYTES, null);
      if (bytes === 0) return text;
      text += readBuffer.toString("latin1", 0, bytes);
    }
  } finally {
    closeSync(fd);
  }
}

/** Reads a file that is kept open from its beginning, in one read: what two reads give may be of two moments. */
function readWhole(fd: number): string {
  for (let buffer = readBuffer; buffer.length <= STATUS_BYTES_MAX; buffer = Buffer.alloc(2 * buffer.length)) {
    const bytes = readSync(fd, buffer, 0, buffer.length, 0);
    if (bytes < buffer.length) return buffer.toString("latin1", 0, bytes);
  }
  throw Object.assign(new Error("longer than any status"), { code: "EFBIG" });
}

function attempt<T>(read: () => T): T | Failure {
  try {
    return read();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "EIO";
    return { kind: "failure", errno: code };
  }
}
