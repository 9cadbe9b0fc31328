import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";

/** Linux tells CPU time in these, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

/** CPU time of all processes so far, and what the machine below took of it. */
export function machineCpuSeconds(): number {
  const [user, nice, system, , , irq, softirq, steal] = (
    /^cpu +(.+)$/m.exec(readFileSync("/proc/stat", "latin1"))?.[1] ?? ""
  )
    .split(" ")
    .map(Number);
  return (
    [user, nice, system, irq, softirq, steal].reduce<number>((sum, ticks = 0) => sum + ticks, 0) / TICKS_PER_SECOND
  );
}

/** What the kernel says of a process that is not this one. */
export type ProcessFacts = {
  readonly pid: number;
  /** CPU time so far, of all its threads and of those processes that descend from it. */
  cpuSeconds(): number;
  /** Of all these processes; what two of them share is in it twice. */
  residentMiB(): number;
  /** The most that was resident since it started, or since `forgetPeak`; of several processes, the sum of what each had at the most. */
  peakMiB(): number;
  forgetPeak(): void;
  /** The program that it runs, links followed. */
  executable(): string;
  /** Resolves once it has next to nothing left to do. */
  quiet(): Promise<void>;
};

/** A daemon with nothing to do still looks at its timers. */
const QUIET_CPU_SHARE = 0.1;
const QUIET_FOR_MS = 250;

export function factsOf(pid: number): ProcessFacts {
  /** The process itself has to be there. */
  const sum = (of: (pid: number) => number) =>
    treeOf(pid).reduce((all, one) => all + (one === pid ? of(one) : unlessEnded(() => of(one), 0)), 0);
  const facts: ProcessFacts = {
    pid,
    cpuSeconds: () => sum(cpuSecondsOf),
    residentMiB: () => sum((one) => statusMiB(one, "VmRSS")),
    peakMiB: () => sum((one) => statusMiB(one, "VmHWM")),
    forgetPeak() {
      for (const one of treeOf(pid)) {
        // Kernels are built without it too, rarely; the peak is then since the start.
        const file = `/proc/${one}/clear_refs`;
        if (existsSync(file)) writeFileSync(file, "5");
      }
    },
    executable: () => readlinkSync(`/proc/${pid}/exe`),
    async quiet() {
      for (let before = facts.cpuSeconds(); ; ) {
        const since = performance.now();
        await new Promise((resolve) => setTimeout(resolve, QUIET_FOR_MS));
        const now = facts.cpuSeconds();
        if ((now - before) * 1_000 < QUIET_CPU_SHARE * (performance.now() - since)) return;
        before = now;
      }
    },
  };
  return facts;
}

const read = (pid: number, name: string): string => readFileSync(`/proc/${pid}/${name}`, "latin1");

function cpuSecondsOf(pid: number): number {
  // The name in parentheses may have spaces in it; behind it the fields are numbers: utime and stime are these.
  const fields = read(pid, "stat")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function statusMiB(pid: number, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(read(pid, "status"))?.[1]) / 1_024;
}

/** A process and all that descend from it. */
function treeOf(pid: number): readonly number[] {
  const children = unlessEnded(() => readdirSync(`/proc/${pid}/task`), []).flatMap((tid) =>
    unlessEnded(() => read(pid, `task/${tid}/children`), "")
      .split(" ")
      .filter((child) => child !== "")
      .map(Number),
  );
  return [pid, ...children.flatMap(treeOf)];
}

/** Processes and threads may end at any time, and their files with them. */
function unlessEnded<Value>(look: () => Value, otherwise: Value): Value {
  try {
    return look();
  } catch {
    return otherwise;
  }
}
