import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { runStint } from "../cli/running.ts";
import {
  BASELINE_REGO,
  buildOpa,
  OPA_BUILD_MS_MAX,
  type OpaServer,
  opaIsMissing,
  startOpa,
} from "../conformance/opa/opa-server.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "../daemon.ts";
import { FILES, SEARCH } from "./entries.ts";
import { runtimeAt } from "./one-user.ts";

/** Daemons and servers are started one after the other, on a machine that may be busy. */
vi.setConfig({ testTimeout: 180_000 });
const MENDED_MS_MAX = 60_000;

const SITE_REGO = join(import.meta.dirname, "../conformance/opa/site.rego");
const NO_WRITES = '@id("site.no-writes")\nforbid (principal, action == Action::"write", resource);\n';

const selectors = [`unix:uid:${process.getuid?.()}`];
const READ = { type: "mcp_tool", locations: [SEARCH], identifier: "search", actions: ["read"], datatypes: ["public"] };
const WRITE = { ...READ, locations: [FILES], identifier: "put", actions: ["write"] };
const PAYROLL = { ...READ, identifier: "payroll" };
const ENTRIES = [
  { kind: "agent", name: "researcher", selectors, ceiling: [READ, WRITE, PAYROLL] },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
];
type Denied = {
  readonly sequence: number;
  readonly determining_policies: readonly string[];
  readonly policy_errors?: readonly string[];
};
const OPENED = expect.stringMatching(/^step_/);

async function opaAt(port: number, ...policies: readonly string[]): Promise<OpaServer> {
  const opa = await startOpa(`--addr=127.0.0.1:${port}`, ...policies);
  onTestFinished(() => opa[Symbol.asyncDispose]());
  return opa;
}

async function daemonWith(opa: OpaServer, more: object, options: DaemonOptions = {}): Promise<Daemon> {
  const config = (directory: string) => {
    const site = join(directory, "site");
    mkdirSync(site, { recursive: true });
    writeFileSync(join(site, "site.cedar"), NO_WRITES);
    const external = { opa: { url: `http://127.0.0.1:${opa.port}`, timeout: "10s", ...more } };
    return { policies: { ...("instead_of_cedar" in more ? {} : { directory: site }), external } };
  };
  const daemon = await startDaemon({ entries: ENTRIES, config, ...options });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  return daemon;
}

/** The runtime of a daemon, and its operator. */
function at(daemon: Daemon) {
  const runtime = runtimeAt(daemon.workloadSocket);
  onTestFinished(() => runtime[Symbol.dispose]());
  const stint = (...args: readonly string[]) => runStint(["--operator-socket", daemon.operatorSocket, ...args]);
  return {
    runtime,
    stint,
    /** The step's id, or the reason of the refusal. */
    async opening(...elements: (typeof READ)[]): Promise<string> {
      try {
        return (await runtime.open({ grant: { elements } })).stepId;
      } catch (thrown) {
        return (thrown as { readonly info?: { readonly reason: string } }).info?.reason ?? String(thrown);
      }
    },
    /** Of the newest refusal, the site's policies that determined it, and what could not be evaluated. */
    async refusedBy(): Promise<{ readonly by: readonly string[]; readonly errors: readonly string[] }> {
      const { out } = await stint("history", "decisions", "--effect", "deny", "-o", "json");
      const newest = (JSON.parse(out) as Denied[]).sort((one, other) => other.sequence - one.sequence)[0];
      return {
        by: newest?.determining_policies.filter((name) => name.includes("site.")) ?? [],
        errors: newest?.policy_errors ?? [],
      };
    },
    status: async () => (await stint("status")).out,
  };
}

describe.skipIf(opaIsMissing())("with a real OPA", () => {
  beforeAll(buildOpa, OPA_BUILD_MS_MAX);

  test("the broker's policies and OPA's both have to allow; while OPA is gone nothing is opened and open steps go on, and they outlive an OPA without policies too", async () => {
    const opa = await opaAt(0, BASELINE_REGO, SITE_REGO);
    const daemon = await daemonWith(opa, {});
    const { runtime, stint, opening, refusedBy, status } = at(daemon);
    const step = await runtime.open({ grant: { elements: [READ] } });
    expect(await opening(WRITE)).toBe("POLICY_DENIED");
    expect(await refusedBy()).toEqual({ by: ["site.no-writes"], errors: [] });
    expect(await opening(PAYROLL)).toBe("POLICY_DENIED");
    expect(await refusedBy()).toEqual({ by: ["opa:site.no-payroll"], errors: [] });

    await opa[Symbol.asyncDispose]();
    expect(await opening(READ)).toBe("NOT_SERVING");
    expect(await opening(WRITE)).toBe("POLICY_DENIED");
    expect(await runtime.token(step, SEARCH)).toMatch(/^ey/);
    const state = async () => JSON.parse((await stint("step", "show", step.stepId, "-o", "json")).out) as object;
    await stint("risk", "set", "--scope", "domain", "--level", "elevated", "--no-wait", "--reason", "drill");
    await expect
      .poll(status, { timeout: MENDED_MS_MAX })
      .toContain("wait to be judged anew: the external policy engine does not answer");

    const empty = await opaAt(opa.port);
    await expect
      .poll(status, { timeout: MENDED_MS_MAX })
      .toContain("wait to be judged anew: the external policy engine gives no decision");
    expect(await opening(READ)).toBe("POLICY_DENIED");
    expect(await refusedBy()).toMatchObject({ errors: ["opa:undefined"] });
    expect(await state()).toMatchObject({ state: "OPEN" });
    await empty[Symbol.asyncDispose]();

    await opaAt(opa.port, BASELINE_REGO, SITE_REGO);
    await expect.poll(status, { timeout: MENDED_MS_MAX }).not.toContain("wait to be judged anew");
    expect(await opening(READ)).toEqual(OPENED);
    expect(await state()).toMatchObject({ state: "OPEN" });
  });

  test("where an operator puts no policies in force OPA is not asked, and status says so", async () => {
    const daemon = await daemonWith(await opaAt(0, BASELINE_REGO, SITE_REGO), {});
    const { stint, opening, status } = at(daemon);
    const none = await stint("policy", "activate", "0", "--none", "--reason", "drill", "--yes");
    expect(none).toMatchObject({ status: 0, err: expect.stringContaining("version 0 is in force") });
    expect(await opening(WRITE)).toEqual(OPENED);
    expect(await status()).toContain("see `stint policy diff 0 1`; OPA is not asked");
  });

  test("OPA decides in the stead of policies that an operator had put in force, and nothing is in force that would not be asked", async () => {
    const opa = await opaAt(0, BASELINE_REGO, SITE_REGO);
    const before = await startDaemon({ entries: ENTRIES });
    onTestFinished(() => before[Symbol.asyncDispose]());
    const site = join(before.directory, "site");
    mkdirSync(site);
    writeFileSync(join(site, "site.cedar"), NO_WRITES);
    expect(await at(before).stint("policy", "put", site)).toMatchObject({ status: 0 });
    const activated = await at(before).stint("policy", "activate", "2", "--reason", "reviewed", "--yes");
    expect(activated).toMatchObject({ status: 0 });
    expect(await at(before).opening(WRITE)).toBe("POLICY_DENIED");
    await before.stop();

    const daemon = await daemonWith(opa, { instead_of_cedar: true }, { directory: before.directory });
    const { stint, opening, refusedBy } = at(daemon);
    expect(await opening(WRITE)).toEqual(OPENED);
    expect(await opening(PAYROLL)).toBe("POLICY_DENIED");
    expect(await refusedBy()).toEqual({ by: ["opa:site.no-payroll"], errors: [] });
    const put = await stint("policy", "put", site);
    expect(put).toMatchObject({
      status: 1,
      out: expect.stringContaining("nothing here evaluates it: opa decides alone"),
    });
    expect(await stint("policy", "activate", "1", "--reason", "back", "--yes")).toMatchObject({
      status: 1,
      err: expect.stringContaining("a set without policies, since opa decides alone"),
    });

    await opa[Symbol.asyncDispose]();
    expect(await opening(WRITE)).toBe("NOT_SERVING");
  });
});
