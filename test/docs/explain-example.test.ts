import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { createStint, isStintError } from "stint-sdk/runtime";
import { expect, onTestFinished, test } from "vitest";
import { runStint } from "../cli/running.ts";
import { startOwnDaemon } from "../faults/daemon-scene.ts";

const run = promisify(execFile);
const folder = import.meta.dirname;
/** Each command is a process of its own, on a machine that may be busy. */
const SCRIPT_MS_MAX = 120_000;

const ELEMENT = { type: "mcp_tool", datatypes: ["internal"] } as const;
const CRM = "https://crm.example.org/mcp";
const WIKI = "https://wiki.example.org/mcp";
const COLLECT = [
  { ...ELEMENT, identifier: "export", locations: [CRM], actions: ["read"], datatypes: ["customer"] },
] as const;
const PUBLISH = [
  { ...ELEMENT, identifier: "find_page", locations: [WIKI], actions: ["read"] },
  { ...ELEMENT, identifier: "edit_page", locations: [WIKI], actions: ["write"] },
] as const;

/** What is another in each run of the test, as it stands in the guide. */
function asInGuide(page: string): string {
  return page
    .replaceAll(/dec_[0-9a-f-]+/g, "dec_01976f0c")
    .replaceAll(/entry_[0-9a-f-]+/g, "entry_01976e4a")
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "2026-11-29T03:04:05Z")
    .replaceAll(/root [0-9a-f]{64}/g, "root 9f3a…")
    .replaceAll(/^( +selectors +).*$/gm, "$1unix:uid:4201");
}

test(
  "the guide for operators: a denial at three in the morning is explained as the guide shows it",
  async () => {
    const agent = {
      kind: "agent",
      name: "reporter",
      selectors: [`unix:uid:${process.getuid?.()}`],
      ceiling: [...COLLECT, ...PUBLISH],
      may_open: true,
      allow_any_executor: true,
    };
    const viewer = { kind: "operator", name: "night", selectors: [`unix:uid:${process.getuid?.()}`], role: "viewer" };
    const data_classes = {
      customer: { sensitivity: "restricted", security_domain: [CRM] },
      internal: { sensitivity: "ordinary" },
    };
    const daemon = await startOwnDaemon({ entries: [agent, viewer], config: { policies: { data_classes } } });
    const endpoint = `unix://${daemon.workloadSocket}`;
    using stint = createStint({ endpoint, agent: "reporter" });
    await stint.withStep({ runId: "nightly-report", step: "collect", grant: COLLECT }, async () => undefined);
    const thrown = await stint
      .openStep({ runId: "nightly-report", step: "publish", grant: PUBLISH })
      .catch((error: unknown) => error);
    expect(isStintError(thrown, "POLICY_DENIED") && thrown.denial).toMatchObject({
      refused: [{ element: PUBLISH[1], layer: "policy" }],
      refusesWhole: false,
    });
    const decision = (isStintError(thrown) ? thrown.denial?.decisionId : undefined) ?? "";

    const { stdout } = await run("sh", [join(folder, "explain.sh")], {
      env: {
        ...process.env,
        PATH: `${join(folder, "../../scripts")}${delimiter}${process.env["PATH"] ?? ""}`,
        STINT_OPERATOR_SOCKET: daemon.operatorSocket,
        decision,
      },
    });
    expect(asInGuide(stdout)).toBe(readFileSync(join(folder, "explain-page.txt"), "utf8"));

    const json = await runStint(["--operator-socket", daemon.operatorSocket, "-o", "json", "explain", decision]);
    expect(JSON.parse(json.out)).toMatchObject({
      decision: { decision_id: decision, effect: "deny" },
      request: { policy_version: 1, granted_classes: ["customer"], confined_to: [CRM] },
      not_asked: null,
      whole: { effect: "allow" },
      elements: [
        { element: PUBLISH[0], refused: false, refused_by: null },
        { element: PUBLISH[1], refused: true, refused_by: "policy", effect: { policies: ["baseline.ratchet"] } },
      ],
      changes: [{ grant: [PUBLISH[0]], without: [{ element: PUBLISH[1] }], approval: null }],
    });
    // What is named does pass.
    const [change] = (JSON.parse(json.out) as { changes: [{ grant: typeof PUBLISH }] }).changes;
    const opened = await stint.openStep({ runId: "nightly-report", step: "publish", grant: change.grant });
    onTestFinished(async () => void (await opened.close().catch(() => undefined)));
    expect(opened.grant).toEqual([PUBLISH[0]]);

    const unknown = await runStint(["--operator-socket", daemon.operatorSocket, "explain", "dec_none"]);
    expect(unknown).toMatchObject({ status: 1, out: "" });
    expect(unknown.err).toMatch(/^stint: STEP_NOT_FOUND: no decision has this id/);
  },
  SCRIPT_MS_MAX,
);
