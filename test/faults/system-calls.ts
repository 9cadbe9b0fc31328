import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { onTestFinished } from "vitest";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";

/** Why no process can be traced here; `undefined` where one can. */
export const cannotTrace: string | undefined = whyNot();

function whyNot(): string | undefined {
  try {
    execFileSync("strace", ["-qq", "-o", "/dev/null", "-e", "inject=fdatasync:delay_enter=1", "true"]);
    return undefined;
  } catch {
    return "it needs strace, and the right to trace a process";
  }
}

/**
 * Has the kernel answer calls of a running process, of all its threads, in another way.
 *
 * @param calls - names, e.g. `fdatasync,fsync`.
 * @param effect - as strace has it: `error=EIO`, `delay_enter=<microseconds>`.
 * @returns what lets all calls go on as ever, those that wait too.
 */
export async function tamper(
  { pid }: { readonly pid: number },
  calls: string,
  effect: string,
): Promise<() => Promise<void>> {
  const injection = ["-e", `trace=${calls}`, "-e", `inject=${calls}:${effect}`];
  const tracer = spawn("strace", ["-f", "-o", "/dev/null", "-p", String(pid), ...injection], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(tracer, "exit");
  onTestFinished(() => void tracer.kill("SIGKILL"));
  let said = "";
  tracer.stderr.on("data", (chunk) => {
    said += String(chunk);
  });
  await eventually(() => said).toContain("attached");
  return async () => {
    tracer.kill("SIGINT");
    await exited;
  };
}
