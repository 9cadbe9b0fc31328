import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { vi } from "vitest";
import { goIsMissing } from "../go-toolchain.ts";

/**
 * OPA has 770 packages: a minute and a half of two cores, once for a machine, and longer beside other tests. Afterwards all of it is
 * in Go's caches, and the program in `build`.
 */
export const OPA_BUILD_MS_MAX = 600_000;

export const opaIsMissing = () => goIsMissing("tests with a real OPA");

const ROOT = resolve(import.meta.dirname, "../../..");
export const BASELINE_REGO = join(ROOT, "policies/baseline.rego");
export const OPA_PROGRAM = join(ROOT, "build/conformance/opa");

/** Compiles OPA as `go.mod` pins it. Of several test files that want it, one does, and the others wait for it. */
export async function buildOpa(): Promise<void> {
  mkdirSync(join(OPA_PROGRAM, ".."), { recursive: true });
  const go = ["go", "build", "-trimpath", "-o", OPA_PROGRAM, "github.com/open-policy-agent/opa"];
  await promisify(execFile)("flock", [`${OPA_PROGRAM}.lock`, ...go], { cwd: import.meta.dirname });
}

const START_MS_MAX = 20_000;

export type OpaServer = AsyncDisposable & { readonly port: number; readonly process: ChildProcess };

/**
 * An OPA server on loopback, once it listens.
 *
 * @param given - files with policies, and further flags of `opa run --server`.
 */
export async function startOpa(...given: readonly string[]): Promise<OpaServer> {
  const always = ["--skip-version-check", "--log-level=error", "--shutdown-grace-period=0"];
  const listen = given.some((flag) => flag.startsWith("--addr=")) ? [] : ["--addr=127.0.0.1:0"];
  const child = spawn(OPA_PROGRAM, ["run", "--server", ...always, ...listen, ...given], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const hasEnded = once(child, "exit").then(() => {
    throw new Error(`opa ended:\n${said}`);
  });
  const listens = vi.waitFor(() => portOf(child.pid ?? 0), { timeout: START_MS_MAX });
  const port = await Promise.race([listens, hasEnded]).catch((thrown: unknown) => {
    child.kill("SIGKILL");
    throw thrown;
  });
  return {
    port,
    process: child,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

/** The port on which a process listens; throws before it does. OPA says neither which one it was given, nor since when. */
function portOf(pid: number): number {
  const sockets = readdirSync(`/proc/${pid}/fd`).map((fd) => linkAt(`/proc/${pid}/fd/${fd}`));
  for (const line of readFileSync(`/proc/${pid}/net/tcp`, "utf8").split("\n")) {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === "0A" && sockets.includes(`socket:[${inode}]`)) return Number.parseInt(local?.split(":")[1] ?? "", 16);
  }
  throw new Error("opa listens on no port");
}

/** A descriptor may be closed meanwhile. */
function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
