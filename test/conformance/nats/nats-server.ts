import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { onTestFinished, vi } from "vitest";
import { GO_BUILD_MS_MAX, goIsMissing } from "../go-toolchain.ts";

export const NATS_BUILD_MS_MAX = GO_BUILD_MS_MAX;

export const natsIsMissing = () => goIsMissing("tests with a real nats-server");

const ROOT = resolve(import.meta.dirname, "../../..");
const PROGRAM = join(ROOT, "build/conformance/nats-server");

/** Compiles nats-server as `go.mod` pins it. Of several test files that want it, one does, and the others wait for it. */
export async function buildNats(): Promise<void> {
  mkdirSync(join(PROGRAM, ".."), { recursive: true });
  const go = ["go", "build", "-trimpath", "-o", PROGRAM, "github.com/nats-io/nats-server/v2"];
  await promisify(execFile)("flock", [`${PROGRAM}.lock`, ...go], { cwd: import.meta.dirname });
}

const START_MS_MAX = 20_000;

/** A nats-server with JetStream on loopback, whose port stays the same when it is started again. */
export type NatsServer = {
  /** `host:port`. */
  readonly address: string;
  readonly process: () => ChildProcess;
  /** Ends the process as a crash does. */
  kill(): Promise<void>;
  /** Starts it again. @param empty - without what it had kept. */
  restart(empty?: boolean): Promise<void>;
  /** What it says of itself. */
  state(): Promise<unknown>;
  /** A client of the test's own, with every right; ended with the test. */
  client(): Promise<NatsConnection>;
};

/** @param more - further lines of its configuration. */
export async function startNats(more = ""): Promise<NatsServer> {
  const folder = mkdtempSync(join(tmpdir(), "stint-nats-"));
  const config = join(folder, "nats.conf");
  const store = join(folder, "store");
  let port = -1;
  let monitor = -1;
  let child = await run();

  async function run(): Promise<ChildProcess> {
    const listen = `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${store}", sync_interval: always }\n`;
    writeFileSync(config, `${listen}ports_file_dir: "${folder}"\nhttp: "127.0.0.1:${monitor}"\n${more}\n`);
    const started = spawn(PROGRAM, ["-c", config], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    started.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const hasEnded = once(started, "exit").then(() => {
      throw new Error(`nats-server ended:\n${said}`);
    });
    const listens = vi.waitFor(() => portsIn(join(folder, `nats-server_${started.pid}.ports`)), {
      timeout: START_MS_MAX,
    });
    [port, monitor] = await Promise.race([listens, hasEnded]).catch((thrown: unknown) => {
      started.kill("SIGKILL");
      throw thrown;
    });
    // What ends later was ended by the test.
    hasEnded.catch(() => undefined);
    return started;
  }

  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  onTestFinished(async () => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  });
  const address = `127.0.0.1:${port}`;
  return {
    address,
    process: () => child,
    kill,
    async restart(empty = false) {
      await kill();
      if (empty) rmSync(store, { recursive: true, force: true });
      child = await run();
    },
    async state() {
      return (await fetch(`http://127.0.0.1:${monitor}/varz`)).json();
    },
    async client() {
      const nats = await connect({ servers: address, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
      onTestFinished(() => nats.close());
      return nats;
    },
  };
}

/** The ports that it was given, for clients and of its monitoring, from the file in which it says so; throws before it does. */
function portsIn(file: string): readonly [port: number, monitor: number] {
  type Ports = { readonly nats: readonly string[]; readonly monitoring: readonly string[] };
  const { nats, monitoring } = JSON.parse(readFileSync(file, "utf8")) as Ports;
  return [Number(new URL(nats[0] ?? "").port), Number(new URL(monitoring[0] ?? "").port)];
}
