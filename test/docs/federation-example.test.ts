import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { type Daemon, startDaemon } from "../daemon.ts";
import { operatorOf } from "../e2e/operator.ts";
import { verifierOf } from "./federation-snippet.ts";

const run = promisify(execFile);
const folder = import.meta.dirname;
const scripts = join(folder, "../../scripts");
/** Each command is a process of its own, on a machine that may be busy. */
const SCRIPT_MS_MAX = 120_000;

async function bundlesOf(daemon: Daemon): Promise<Uint8Array> {
  using operator = operatorOf(daemon.operatorSocket);
  return (await operator.federation.getBundles({})).bundleMap;
}

test(
  "the guide to federation: its commands and its entry are taken, and its verifier is ready",
  async () => {
    await using supplier = await startDaemon({ config: { trust_domain: "supplier.example" } });
    const resource = "https://search.example.org/mcp";
    const { entries } = parse(readFileSync(join(folder, "federation.yaml"), "utf8")) as { entries: object[] };
    const selectors = [`unix:uid:${process.getuid?.()}`];
    await using daemon = await startDaemon({ entries: entries.map((entry) => ({ ...entry, selectors })) });
    writeFileSync(join(daemon.directory, "supplier-bundles.json"), await bundlesOf(supplier));
    const { stdout } = await run("sh", [join(folder, "federation.sh")], {
      cwd: daemon.directory,
      env: {
        ...process.env,
        PATH: `${scripts}${delimiter}${process.env["PATH"] ?? ""}`,
        STINT_OPERATOR_SOCKET: daemon.operatorSocket,
      },
    });
    expect(stdout).toMatch(/^partner\.example +https_web /m);
    expect(stdout).toMatch(/^supplier\.example +https_spiffe +\d+ +1 +1 +1 /m);
    using operator = operatorOf(daemon.operatorSocket);
    const { relationships } = await operator.federation.list({});
    expect(relationships.map(({ trustDomain }) => trustDomain)).toEqual(["supplier.example"]);
    const verifier = verifierOf(`unix://${daemon.workloadSocket}`, resource, true);
    await verifier.ready();
    verifier.close();
  },
  SCRIPT_MS_MAX,
);
