import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** A control group of one process and of all that it starts. Who leaves the process's own group and session stays in this. */
export type ControlGroup = {
  /** @throws the error of Node.js for a process that can't be put into it */
  add(pid: number): void;
  /** Kills whoever is in it, and then removes it. */
  end(): void;
};

/** Killed processes take a moment to go. */
const REMOVE_TRIES = 40;
const REMOVE_PAUSE_MS = 50;

let made = 0;

/**
 * Makes control groups below the one that this process runs in.
 *
 * @returns `undefined` where there is no unified hierarchy, or this process may make none.
 * @see Linux, Documentation/admin-guide/cgroup-v2
 */
export function controlGroups(): (() => ControlGroup) | undefined {
  const own = ownGroup();
  if (own === undefined) return undefined;
  try {
    // Removed together with the files in it, which stand for its settings.
    rmdirSync(make(own));
    return () => controlGroup(make(own));
  } catch {
    return undefined;
  }
}

function controlGroup(path: string): ControlGroup {
  return {
    add: (pid) => writeFileSync(join(path, "cgroup.procs"), String(pid)),
    end: () => endGroup(path, REMOVE_TRIES),
  };
}

function make(own: string): string {
  made += 1;
  const path = join(own, `stint-guard-${process.pid}-${made}`);
  mkdirSync(path);
  return path;
}

function endGroup(path: string, triesLeft: number): void {
  try {
    writeFileSync(join(path, "cgroup.kill"), "1");
    rmdirSync(path);
  } catch (thrown) {
    const isGone = thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
    if (!isGone && triesLeft > 0) setTimeout(() => endGroup(path, triesLeft - 1), REMOVE_PAUSE_MS);
  }
}

/** The directory of this process's own group. */
function ownGroup(): string | undefined {
  const [, group] = /^0::(\/.*)$/m.exec(textOf("/proc/self/cgroup")) ?? [];
  const [, point] = /^\d+ \d+ \S+ \/ (\S+) .* - cgroup2 /m.exec(textOf("/proc/self/mountinfo")) ?? [];
  return group === undefined || point === undefined ? undefined : join(point, group);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
