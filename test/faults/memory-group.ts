import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { onTestFinished } from "vitest";

/** Where the control groups of memory are, and what their files are called: version 1 has a hierarchy for memory alone. */
const VERSIONS = [
  { root: "/sys/fs/cgroup/memory", max: "memory.limit_in_bytes", usage: "memory.usage_in_bytes" },
  { root: "/sys/fs/cgroup", max: "memory.max", usage: "memory.current" },
] as const;

export type MemoryGroup = {
  /** To be put before a command that is to run in the group. */
  readonly wrapper: readonly string[];
  /** Bytes that its processes have now, what the kernel keeps of their files included. */
  usageBytes(): number;
};

/**
 * A control group of its own that may have so much memory, and no swap beside it; gone with the test, whose processes have to be gone
 * before.
 *
 * @returns `undefined` where no such group can be made
 */
export function memoryGroup(bytesMax: number): MemoryGroup | undefined {
  for (const { root, max, usage } of VERSIONS) {
    const path = join(root, `stint-test-${process.pid}-${Math.floor(performance.now())}`);
    try {
      mkdirSync(path);
    } catch {
      continue;
    }
    onTestFinished(() => rmdirSync(path));
    // Without the controller the directory is there, and the file that limits is not.
    if (!existsSync(join(path, max))) continue;
    writeFileSync(join(path, max), String(bytesMax));
    if (existsSync(join(path, "memory.swap.max"))) writeFileSync(join(path, "memory.swap.max"), "0");
    const enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"';
    return {
      wrapper: ["sh", "-c", enter, path],
      usageBytes: () => Number(readFileSync(join(path, usage), "utf8")),
    };
  }
  return undefined;
}
