import { readdirSync, readFileSync } from "node:fs";
import type { Daemon } from "../daemon.ts";

export function descriptorsOf({ pid }: Pick<Daemon, "pid">): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The most memory that the daemon ever had. */
export function peakBytesOf({ pid }: Pick<Daemon, "pid">): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1_024;
}
