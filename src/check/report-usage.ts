import { BrokerError, invalidField } from "../domain/errors.ts";
import { type Action, isAction, isToolName } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import { isOfKind, type VerifierEntry } from "../domain/registration-entry.ts";
import type { Attested } from "../domain/stages.ts";
import type { Usage, UsageOutcome } from "../domain/usage.ts";
import type { CredentialReads } from "../ports/credential-reads.ts";
import type { CallRate } from "./call-rate.ts";
import type { UsageJournal } from "./usage-journal.ts";

/** Calls as a verifier reports them: it knows the credential, and not by which id the ledger knows the step. */
export type ReportedUsage = {
  readonly jti: string;
  readonly tool: string;
  readonly action: string;
  readonly outcome: UsageOutcome | undefined;
  readonly calls: number;
};

export type ReportUsagePorts = {
  readonly usageJournal: UsageJournal;
  readonly credentials: Pick<CredentialReads, "issuance">;
  readonly rate: CallRate;
};

/**
 * Records what a verifier says of calls at its own audiences; of others it may say nothing.
 *
 * @returns how many usages were refused, since their credential is none that the verifier could have been shown.
 * @throws BrokerError NOT_ENTITLED for whoever is no verifier; INVALID_FIELD, LIMIT_EXCEEDED, LEDGER_UNAVAILABLE
 */
export async function reportUsage(
  caller: Attested,
  report: { readonly reportId: string; readonly usages: readonly ReportedUsage[]; readonly gap: number },
  ports: ReportUsagePorts,
): Promise<{ readonly refused: number }> {
  const entry = caller.entries.find((one) => isOfKind(one, "verifier"));
  if (entry === undefined) throw new BrokerError("NOT_ENTITLED", "only verifiers report usage");
  const { reportId, usages, gap } = report;
  if (reportId === "" || Buffer.byteLength(reportId) > LIMITS.requestIdBytesMax) {
    throw invalidField("report_id", `1 to ${LIMITS.requestIdBytesMax} bytes`);
  }
  if (usages.length === 0 || usages.length > LIMITS.usagesPerReportMax) {
    throw invalidField("usages", `1 to ${LIMITS.usagesPerReportMax}`);
  }
  ports.rate.take(entry.entryId);
  const stepIds = new Map<string, string | undefined>();
  const known: Usage[] = [];
  for (const usage of usages) {
    const { jti, ...rest } = checked(usage);
    if (!stepIds.has(jti)) stepIds.set(jti, await stepShownTo(entry, jti, ports));
    const stepId = stepIds.get(jti);
    if (stepId !== undefined) known.push({ stepId, ...rest });
  }
  if (known.length > 0 || gap > 0) await ports.usageJournal.add(entry.entryId, { reportId, usages: known, gap });
  return { refused: usages.length - known.length };
}

function checked({ jti, tool, action, outcome, calls }: ReportedUsage) {
  if (jti === "") throw invalidField("usages.jti", "the id of a credential");
  if (!isToolName(tool)) throw invalidField("usages.tool", "the name of one tool");
  if (!isAction(action)) throw invalidField("usages.action", "an action");
  if (outcome === undefined) throw invalidField("usages.outcome", "what became of the calls");
  if (calls < 1) throw invalidField("usages.calls", "1 or more");
  return { jti, tool, action: action as Action, outcome, calls };
}

async function stepShownTo(
  { content }: VerifierEntry,
  jti: string,
  { credentials }: Pick<ReportUsagePorts, "credentials">,
): Promise<string | undefined> {
  const issuance = await credentials.issuance({ jti });
  if (issuance === undefined || issuance.subject.kind !== "step") return undefined;
  return issuance.audiences.some((one) => content.audiences.includes(one)) ? issuance.subject.stepId : undefined;
}
