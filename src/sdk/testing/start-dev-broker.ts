import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

export type DevBrokerOptions = {
  /** Agents beside `dev`, each of which is the calling user. */
  readonly agents?: readonly string[] | undefined;
  /** What the verifier `dev` answers for, beside the usual local URLs: the resource URIs of the servers under test. */
  readonly audiences?: readonly string[] | undefined;
  /** Classes of data to permit, beside the usual ones. */
  readonly datatypes?: readonly string[] | undefined;
  /**
   * The command `stint`; default: the checkout's own, that of the package `stint` as the working directory or this package finds it, or
   * the one on PATH.
   */
  readonly command?: string | undefined;
};

/** A throw-away broker in a process of its own: agent, runtime, verifier and operator `dev` are the calling user. */
export type DevBroker = AsyncDisposable & {
  /** `unix:///…`, for `createStint` and `createVerifier`. */
  readonly endpoint: string;
  /** A path, for `connectOperator`. */
  readonly operatorSocket: string;
  /** Where OIDC discovery, keys and bundle are served; the `iss` of its JWT-SVIDs. */
  readonly httpUrl: string;
  /** For processes that a test starts. */
  readonly environment: { readonly SPIFFE_ENDPOINT_SOCKET: string; readonly STINT_OPERATOR_SOCKET: string };
  /** Ends it and removes all that it made. Idempotent. */
  stop(): Promise<void>;
};

/** Starting takes about a second; a machine that is busy with other tests, several. */
const START_MS_MAX = 30_000;
/** A broker finishes what is in flight for two seconds at most. */
const STOP_MS_MAX = 10_000;
const COMPLAINT_BYTES_MAX = 4_096;
/** Says that it runs, and then lives as long as the pipe from this process: a test that is killed leaves no broker. */
const UNTIL_WE_END = ["/bin/sh", "-c", "echo ready && exec cat >/dev/null"];

/**
 * Starts `stint dev` and waits until it serves. Needs the package `stint`, for example as a development dependency.
 *
 * @throws Error saying what kept it from starting
 * @example
 * await using broker = await startDevBroker({ audiences: ["http://localhost:3000/mcp"] });
 * const stint = createStint({ endpoint: broker.endpoint, agent: "dev" });
 */
export async function startDevBroker(options: DevBrokerOptions = {}): Promise<DevBroker> {
  const directory = await mkdtemp(join(tmpdir(), "stint-"));
  const [command, ...first] = options.command === undefined ? defaultCommand() : [options.command];
  const child = spawn(command, [...first, ...argumentsOf(directory, options)], { stdio: ["pipe", "pipe", "pipe"] });
  // A broker that is gone does not read what it is told.
  child.stdin.on("error", () => undefined);
  let complaint = "";
  child.stderr.on("data", (bytes: Buffer) => {
    complaint = `${complaint}${bytes.toString()}`.slice(-COMPLAINT_BYTES_MAX);
  });
  const ended = endOf(child);
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= stopped(child, ended).finally(() => rm(directory, { recursive: true, force: true }));
    return stopping;
  };
  try {
    await ready(child, ended);
    const httpUrl = (await readFile(join(directory, "http.url"), "utf8")).trim();
    const endpoint = `unix://${join(directory, "workload.sock")}`;
    const operatorSocket = join(directory, "operator.sock");
    const environment = { SPIFFE_ENDPOINT_SOCKET: endpoint, STINT_OPERATOR_SOCKET: operatorSocket };
    return { endpoint, operatorSocket, httpUrl, environment, stop, [Symbol.asyncDispose]: stop };
  } catch (thrown) {
    await stop();
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Error(`stint dev did not start: ${why}${complaint === "" ? "" : `\n${complaint.trim()}`}`);
  }
}

function argumentsOf(
  directory: string,
  { agents = [], audiences = [], datatypes = [] }: DevBrokerOptions,
): readonly string[] {
  return [
    "dev",
    `--dir=${directory}`,
    ...agents.map((agent) => `--agent=${agent}`),
    ...audiences.map((audience) => `--audience=${audience}`),
    ...datatypes.map((datatype) => `--datatype=${datatype}`),
    "--",
    ...UNTIL_WE_END,
  ];
}

/** From a checkout this file is TypeScript and `scripts/stint` beside `src`; from the package it is neither. */
function defaultCommand(): readonly [string, ...string[]] {
  const ofCheckout = fileURLToPath(new URL("../../../scripts/stint", import.meta.url));
  if (import.meta.url.endsWith(".ts") && existsSync(ofCheckout)) return [ofCheckout];
  // A test that is started by itself, and not by npm, has no node_modules/.bin on its PATH.
  for (const from of [join(process.cwd(), "package.json"), import.meta.url]) {
    const installed = commandBeside(from);
    if (installed !== undefined) return [process.execPath, installed];
  }
  return ["stint"];
}

/** The file of the command `stint` in the package of that name, as a module at `from` would find it. */
function commandBeside(from: string): string | undefined {
  try {
    const manifest = createRequire(from).resolve("stint/package.json");
    const { bin } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly bin: { readonly stint: string } };
    return join(dirname(manifest), bin.stint);
  } catch {
    return undefined;
  }
}

/** How it ended, in words. Never rejects. */
async function endOf(child: ChildProcess): Promise<string> {
  try {
    const [status, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    return signal === null ? `exit status ${status}` : `ended by ${signal}`;
  } catch (thrown) {
    const isMissing = thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
    return isMissing ? "there is no command `stint`; install the package of that name" : "it can't be executed";
  }
}

async function ready(child: ChildProcess, ended: Promise<string>): Promise<void> {
  const late = AbortSignal.timeout(START_MS_MAX);
  const said =
    child.stdout === null ? Promise.reject(new Error("no output")) : once(child.stdout, "data", { signal: late });
  const end = await Promise.race([said.then(() => undefined), ended]);
  if (end !== undefined) throw new Error(end);
}

async function stopped(child: ChildProcess, ended: Promise<string>): Promise<void> {
  child.stdin?.end();
  const impatience = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
  await ended;
  clearTimeout(impatience);
  // The command that waits for the pipe may have outlived a broker that was killed; without us it ends too.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
}
