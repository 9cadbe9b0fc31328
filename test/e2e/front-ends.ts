import { readFileSync } from "node:fs";
import type { Daemon } from "../daemon.ts";

/** Pids of a daemon's front ends, as the kernel has them. */
export function frontPids({ pid }: Pick<Daemon, "pid">): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean);
  return children.map(Number).filter((child) => commandOf(child).includes("front-worker"));
}

/** Whether a process is there, and has not ended. */
export function isAlive(pid: number): boolean {
  const state = /^State:\t(\w)/m.exec(textOf(`/proc/${pid}/status`))?.[1];
  return state !== undefined && state !== "Z" && state !== "X";
}

/** By which front ends calls of a method were answered, by the daemon's log; `undefined`: by the daemon itself. */
export function frontsOf({ log }: Pick<Daemon, "log">, method: string): readonly unknown[] {
  return log.filter((line) => line.msg === "request" && line["method"] === method).map((line) => line["front"]);
}

function commandOf(pid: number): string {
  return textOf(`/proc/${pid}/cmdline`);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
