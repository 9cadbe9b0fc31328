import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { stringify } from "yaml";
import type { Diagnosis } from "../../src/doctor/diagnosis.ts";
import { STINT } from "../programs.ts";

/** A user of whom no machine knows, for the daemon; and another. */
export const DAEMON_UID = 61_001;
export const OTHER_UID = 61_002;

/** A place for a broker, with its configuration; everybody may go through. */
export function machine(settings: (home: string) => object = () => ({})) {
  const home = mkdtempSync(join(tmpdir(), "stint-doctor-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  chmodSync(home, 0o755);
  const run = join(home, "run");
  mkdirSync(run, { mode: 0o755 });
  const config = join(home, "stint.yaml");
  const data = join(home, "data");
  const own = {
    trust_domain: "shop.example",
    issuer: "https://stint.shop.example",
    data_directory: data,
    workload: { socket: join(run, "workload.sock") },
    operator: { socket: join(run, "operator.sock") },
    entries: [{ kind: "agent", name: "buyer", selectors: [`unix:uid:${OTHER_UID}`] }],
  };
  writeFileSync(config, stringify({ ...own, ...settings(home) }));
  return { home, run, config, data, workload: own.workload.socket, operator: own.operator.socket };
}

/**
 * Runs `stint doctor`.
 *
 * @param before - what runs it, e.g. `["unshare", "--pid"]`.
 */
export async function doctor(config: string | undefined, before: readonly string[] = [], ...flags: readonly string[]) {
  const own = config === undefined ? [] : ["--config", config];
  const [program = "", ...args] = [...before, process.execPath, STINT, "--output", "json", ...flags, "doctor", ...own];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.on("data", (bytes: Buffer) => {
    out += bytes.toString();
  });
  child.stderr.on("data", (bytes: Buffer) => {
    err += bytes.toString();
  });
  const [status] = (await once(child, "close")) as [number | null];
  if (out === "") throw new Error(`no answer: ${err}`);
  const found = JSON.parse(out) as readonly Diagnosis[];
  return {
    status,
    found,
    /** What was found of a subject, `severity: what` each. */
    of: (subject: Diagnosis["subject"]) =>
      found.filter((one) => one.subject === subject).map(({ severity, what }) => `${severity}: ${what}`),
    mendOf: (what: RegExp) => found.find((one) => what.test(one.what))?.mend ?? "",
  };
}
