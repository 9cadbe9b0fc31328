import { afterAll, beforeAll, expect, test } from "vitest";
import { RiskLevel } from "../../src/gen/stint/v1/risk_pb.js";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Operator, operatorOf } from "./operator.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];

let daemon: Daemon;
let operator: Operator;
beforeAll(async () => {
  const roles = ["admin", "approver"] as const;
  daemon = await startDaemon({ entries: roles.map((role) => ({ kind: "operator", name: role, selectors, role })) });
  operator = operatorOf(daemon.operatorSocket);
});
afterAll(async () => {
  operator?.[Symbol.dispose]();
  await daemon?.[Symbol.asyncDispose]();
});

/** Each act that says why. What it is about is not there, but a reason that can't be recorded is found first. */
const ACTS = {
  "Approvals.Approve": (reason: string) => operator.approvals.approve({ stepId: "step_0", reason }),
  "Approvals.Refuse": (reason: string) => operator.approvals.refuse({ stepId: "step_0", reason }),
  "Approvals.ApproveCall": (reason: string) => operator.approvals.approveCall({ approvalId: "call_0", reason }),
  "Approvals.RefuseCall": (reason: string) => operator.approvals.refuseCall({ approvalId: "call_0", reason }),
  "Tools.Accept": (reason: string) =>
    operator.tools.accept({
      location: "https://mcp.example.org",
      tool: "t",
      definitionSha256: new Uint8Array(32),
      reason,
    }),
  "Tools.Forget": (reason: string) => operator.tools.forget({ location: "https://mcp.example.org", tool: "t", reason }),
  "Policies.Activate": (reason: string) => operator.policies.activate({ version: 1, reason }),
  "Risk.Set": (reason: string) => operator.risk.set({ scope: "domain", level: RiskLevel.HIGH, reason }),
  "Ledger.AcceptRestore": (reason: string) => operator.ledger.acceptRestore({ reason }),
} as const;

const REASONS = [
  { what: "nothing", reason: "" },
  { what: "what steers a terminal", reason: "fine\u001b[2J" },
  { what: "what forges a line of a log", reason: "fine\nuid 0 approved" },
  { what: "what turns the text around", reason: "fine \u202etxt.exe" },
  { what: "more than 1,024 bytes", reason: `${"ä".repeat(512)}a` },
] as const;

test.for(Object.keys(ACTS).flatMap((act) => REASONS.map((given) => ({ act: act as keyof typeof ACTS, ...given }))))(
  "$act is refused with $what for a reason, and by the field's name",
  async ({ act, reason }) => {
    await expect(ACTS[act](reason)).rejects.toMatchObject({
      reason: "INVALID_FIELD",
      message: "reason: why, in 1 to 1024 bytes without control characters",
      metadata: { field: "reason" },
    });
  },
);

test("what is within the bounds is recorded as it is", async () => {
  const reason = "ä".repeat(512);
  expect(await operator.risk.set({ scope: "domain", level: RiskLevel.ELEVATED, reason })).toMatchObject({
    risk: { reason },
  });
});
