import { type ChildProcess, spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished } from "vitest";
import { stringify } from "yaml";
import type { Daemon, LogLine } from "../daemon.ts";
import { freePort } from "../free-port.ts";
import { STINTD } from "../programs.ts";
import { type OpensslAuthority, opensslAuthorities } from "../samples/openssl-authority.ts";
import { OWN_ENTRIES, startOwnDaemon } from "./daemon-scene.ts";

/** Whoever may connect to a primary, and with what. */
export type Machines = {
  readonly brokerPort: number;
  readonly attestationPort: number;
  readonly ca: OpensslAuthority;
  /** A certificate of the CA, by its common name. */
  certificateOf(name: string): OpensslAuthority;
  /** Settings of a primary that machines of the CA may be standbys of. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly entries: readonly object[];
};

export async function machines(): Promise<Machines> {
  const openssl = opensslAuthorities();
  onTestFinished(() => openssl[Symbol.dispose]());
  const ca = openssl.make({ name: "machines" });
  const [brokerPort, attestationPort] = [await freePort(), await freePort()];
  const digest = createHash("sha256").update(new X509Certificate(ca.certificate).raw).digest("hex");
  const operator = (name: string, role: string) => ({
    ...{ kind: "operator", name, role },
    selectors: [`x509pop:ca:${digest}`, `x509pop:subject:cn:${name}`],
  });
  return {
    ...{ brokerPort, attestationPort, ca },
    certificateOf: (name) =>
      openssl.make({
        ...{ name, issuer: ca },
        extensions: ["keyUsage=critical,digitalSignature", "extendedKeyUsage=clientAuth"],
      }),
    settings: {
      broker: { listen: `127.0.0.1:${brokerPort}` },
      attestation: { listen: `127.0.0.1:${attestationPort}`, own_svid: true, x509pop: { ca: ca.certificatePath } },
    },
    entries: [
      ...OWN_ENTRIES,
      { kind: "operator", name: "local", selectors: [`unix:uid:${process.getuid?.() ?? 0}`], role: "admin" },
      operator("standby", "standby"),
      operator("viewer", "viewer"),
    ],
  };
}

/** A broker that standbys may follow; gone with the test. */
export function startPrimary({ settings, entries }: Machines, directory?: string): Promise<Daemon> {
  return startOwnDaemon({ entries, config: settings, ...(directory === undefined ? {} : { directory }) });
}

export type Standby = {
  readonly directory: string;
  readonly configPath: string;
  readonly operations: string;
  readonly log: readonly LogLine[];
  readonly child: ChildProcess;
  stop(): Promise<number | null>;
  kill(): Promise<void>;
};

export type StandbyOptions = {
  readonly identity?: OpensslAuthority;
  /** Absent: a new one. */
  readonly directory?: string;
  /** `host:port` instead of the primary's broker endpoint. */
  readonly of?: string;
};

/** What both the standby and the broker that it is promoted to are configured with. */
async function configureStandby(
  primary: Daemon,
  of: Machines,
  { identity = of.certificateOf("standby"), directory = newDirectory(), ...more }: StandbyOptions = {},
): Promise<{ readonly directory: string; readonly configPath: string }> {
  const bundle = join(directory, "bundle.json");
  if (!existsSync(bundle)) {
    writeFileSync(bundle, await (await fetch(`${primary.httpUrl}/spiffe-bundle.json`)).text());
  }
  const configPath = join(directory, "stint.yaml");
  const standby = {
    of: more.of ?? `127.0.0.1:${of.brokerPort}`,
    attestation: `127.0.0.1:${of.attestationPort}`,
    bundle,
    identity: { certificate: identity.certificatePath, private_key: identity.keyPath },
  };
  const config = {
    trust_domain: "example.org",
    issuer: "https://broker.example.org",
    data_directory: join(directory, "data"),
    development: true,
    operations: { listen: "127.0.0.1:0", plain_on_loopback: true },
    standby,
  };
  writeFileSync(configPath, stringify(config));
  return { directory, configPath };
}

export function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "stint-standby-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A real standby; gone with the test. */
export async function startStandby(primary: Daemon, of: Machines, options: StandbyOptions = {}): Promise<Standby> {
  const { directory, configPath } = await configureStandby(primary, of, options);
  const child = spawn(process.execPath, ["--disable-sigusr1", STINTD, "standby", "--config", configPath], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  const log: LogLine[] = [];
  const begun = Promise.withResolvers<LogLine>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    const parsed = line.startsWith("{") ? (JSON.parse(line) as LogLine) : { msg: line };
    log.push(parsed);
    if (parsed.msg === "standing by") begun.resolve(parsed);
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const ended = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return (await exited)[0];
  };
  onTestFinished(async () => void (await ended("SIGKILL")));
  const first = await Promise.race([begun.promise, exited.then(() => undefined)]);
  if (first === undefined) throw new Error(`no standby: ${log.map(({ msg, why }) => `${msg}: ${why}`).join("\n")}`);
  return {
    ...{ directory, configPath, log, child },
    operations: String(first["operations"]),
    stop: () => ended("SIGTERM"),
    kill: async () => void (await ended("SIGKILL")),
  };
}

/** What a standby's `/metrics` says by a name without its prefix. */
export async function metricOf({ operations }: Standby, name: string): Promise<number> {
  const text = await (await fetch(`${operations}/metrics`)).text();
  const [, value] = new RegExp(`^stint_standby_${name} (\\S+)$`, "m").exec(text) ?? [];
  return Number(value);
}

/** Resolves once the copy has this many events. */
export async function copied(standby: Standby, sequence: number): Promise<void> {
  await expect.poll(() => metricOf(standby, "sequence")).toBeGreaterThanOrEqual(sequence);
}

/** What `/readyz` of a standby says. */
export async function reasonsOf({ operations }: Standby): Promise<readonly string[]> {
  return ((await (await fetch(`${operations}/readyz`)).json()) as { reasons: readonly string[] }).reasons;
}

/** A command of `stintd` that ends by itself. */
export async function stintd(...args: readonly string[]): Promise<{ status: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ["--disable-sigusr1", STINTD, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const texts = { out: "", err: "" };
  child.stdout.on("data", (chunk) => (texts.out += chunk));
  child.stderr.on("data", (chunk) => (texts.err += chunk));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, ...texts };
}
