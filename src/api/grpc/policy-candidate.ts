import type { DataClasses } from "../../domain/data-classes.ts";
import { invalidField } from "../../domain/errors.ts";
import type { Policy, PolicySet, RecordedPolicySet } from "../../domain/policy-set.ts";
import type { PolicyReads } from "../../ports/ledger-reads.ts";
import type { PolicyFinding } from "../../ports/policy-engine.ts";
import type { SentFile, SentPolicies } from "./policy-parts.ts";

/** What makes a set of policies of files. */
export type CandidatePorts = {
  /** The policies in files, and with them those that come with this broker; findings keep them from being used. */
  readonly readFiles: (
    files: readonly SentFile[],
    baseline: boolean,
  ) => Promise<{ readonly policies: readonly Policy[]; readonly findings: readonly PolicyFinding[] }>;
  /** As the configuration has them now. */
  readonly dataClasses: () => DataClasses;
};

/**
 * The set that files make, with the classes of data of the configuration.
 *
 * @returns findings where it can't be used
 */
export async function candidateOf(
  { files, baseline }: SentPolicies<unknown>,
  { readFiles, dataClasses }: CandidatePorts,
): Promise<{ readonly set: PolicySet; readonly findings: readonly PolicyFinding[] }> {
  const { policies, findings } = await readFiles(files, baseline);
  const isEmpty = policies.length === 0 && findings.length === 0;
  const message = "expected at least one policy: without any nothing is permitted";
  const empty = { file: files[0]?.name ?? "", line: 1, column: 1, message };
  return { set: { policies, dataClasses: dataClasses() }, findings: isEmpty ? [empty] : findings };
}

/** @throws BrokerError INVALID_FIELD */
export async function versionOf(version: number, policies: Pick<PolicyReads, "policySet">): Promise<RecordedPolicySet> {
  const set = await policies.policySet(version);
  if (set === undefined) throw invalidField("version", "one that the broker has");
  return set;
}
