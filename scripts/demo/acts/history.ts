import { inMs, type Report } from "../findings.ts";
import type { Scene } from "../scene.ts";
import { stint, stintRows } from "../stint-cli.ts";

type StepRow = {
  readonly step: string;
  readonly agent: string;
  readonly state: string;
  readonly opened_at: string;
  readonly closed_at: string | null;
};
type IssuanceRow = { readonly issuance_id: string; readonly step: string; readonly state: string };
type DecisionRow = { readonly decision_id: string; readonly reason: string | null };

const STATES = { find: "COMPLETED", catalog: "COMPLETED", review: "COMPLETED", skim: "CANCELLED", draft: "ABANDONED" };

/** What an operator finds afterwards, by the command line. */
export async function readHistory(
  { broker, run }: Scene,
  report: Report,
  known: { readonly received: readonly string[]; readonly decisionId: string },
): Promise<void> {
  report.begin("The operator asks `stint` what happened");
  const { operatorSocket } = broker;
  const [steps, issuances, live, decisions] = await Promise.all([
    stintRows<StepRow>(operatorSocket, "history", "steps", "--run", run),
    stintRows<IssuanceRow>(operatorSocket, "history", "issuances", "--run", run),
    stint(operatorSocket, "--output", "jsonl", "history", "issuances", "--run", run, "--live"),
    stintRows<DecisionRow>(operatorSocket, "history", "decisions", "--decision-id", known.decisionId),
  ]);

  report.note(
    table([
      ["STEP", "AGENT", "STATE", "OPEN FOR", "CREDENTIALS"],
      ...steps
        .toReversed()
        .map((row) => [row.step, row.agent, row.state, openFor(row), credentialsOf(row.step, issuances)]),
    ]),
  );
  report.record(
    "states-recorded",
    "every step is in the ledger, in the state it ended in",
    steps.length === Object.keys(STATES).length &&
      Object.entries(STATES).every(([name, state]) => steps.find(({ step }) => step === name)?.state === state),
    `${steps.length} steps`,
    { steps: steps.length },
  );

  const recorded = new Set(issuances.map((row) => row.issuance_id));
  const unrecorded = known.received.filter((id) => !recorded.has(id));
  report.record(
    "credentials-recorded",
    "every credential that any process received is in the ledger",
    known.received.length > 0 && unrecorded.length === 0,
    `${known.received.length} received, ${recorded.size} recorded, ${unrecorded.length} unknown to the ledger`,
    { received: known.received.length, recorded: recorded.size, unrecorded: unrecorded.length },
  );
  report.record(
    "none-live",
    "no credential outlives its step",
    live.trim() === "" && issuances.every(({ state }) => state === "REVOKED"),
    `${issuances.filter(({ state }) => state === "REVOKED").length} of ${issuances.length} revoked before they expired`,
    { live: live.trim() === "" ? 0 : live.trim().split("\n").length },
  );
  report.record(
    "denial-explained",
    "the decision that refused the sub-agent more can be looked up",
    decisions.length === 1 && decisions[0]?.reason === "DELEGATION_REFUSED",
    `stint history decisions --decision-id ${known.decisionId}`,
  );
  report.record(
    "log-clean",
    "the daemon's log holds no token",
    broker.log().includes("IssueJwtSvid") && !/eyJ[\w-]+\.[\w-]+\.[\w-]+/.test(broker.log()),
    `${broker.log().split("\n").length} lines`,
  );
}

function openFor({ opened_at, closed_at }: StepRow): string {
  return closed_at === null ? "still open" : inMs(Date.parse(closed_at) - Date.parse(opened_at));
}

function credentialsOf(step: string, issuances: readonly IssuanceRow[]): string {
  const own = issuances.filter((row) => row.step === step);
  const revoked = own.filter(({ state }) => state === "REVOKED").length;
  return own.length === 0 ? "none" : `${own.length}, ${revoked} revoked`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
