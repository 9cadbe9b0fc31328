import { BrokerError } from "../domain/errors.ts";
import type { PolicySet } from "../domain/policy-set.ts";
import type { PolicyActivation } from "../ports/ledger-reads.ts";
import type { PolicyFinding } from "../ports/policy-engine.ts";

/** What the configuration declares, and what stands against it. */
export type DeclaredSet = {
  /** Absent where neither a baseline nor a directory is declared. */
  readonly set: PolicySet | undefined;
  readonly findings: readonly PolicyFinding[];
  /** Whether an engine outside of the broker decides alone, so that no set that holds policies can be asked. */
  readonly isAlone?: true;
};

/**
 * Whether a declared set is put in force, and if not, why not:
 * - `upgraded`: steps were opened by this ledger without policies, and an operator has to look at what would change;
 * - `operator`: an operator chose what is in force, or that nothing is.
 */
export type Declaration = "activate" | "in-force" | "upgraded" | "operator";

/**
 * @param version - of the declared set where the ledger has it already.
 * @param last - how what is in force came to be.
 * @param isNewLedger - nobody is registered yet, so nothing depends on what was permitted before.
 * @param isAlone - as in `DeclaredSet`: what an operator put in force can't stay.
 */
export function declarationOf(
  version: number | undefined,
  last: PolicyActivation | undefined,
  isNewLedger: boolean,
  isAlone = false,
): Declaration {
  if (last === undefined) return isNewLedger ? "activate" : "upgraded";
  if (version !== undefined && version === last.version) return "in-force";
  if (isAlone && last.version !== 0) return "activate";
  if (last.origin !== "config") return "operator";
  // An operator who went back to an older version has not chosen between that and what nobody had seen then.
  return version !== undefined && last.by.kind === "operator" ? "operator" : "activate";
}

/** What an operator reads of declared policies that are not in force; `undefined` where there is nothing to say. */
export function notInForce(declared: number | undefined, inForce: number): string | undefined {
  if (declared === undefined || declared === inForce) return undefined;
  const other = inForce === 0 ? "no policies are" : `version ${inForce} is`;
  return `policies: version ${declared} is not in force, ${other}; see \`stint policy diff ${inForce} ${declared}\``;
}

/** `site.cedar:3:1: …`, one line for each. */
export function formatPolicyFinding({ file, line, column, message }: PolicyFinding): string {
  return `${file}:${line}:${column}: ${message}`;
}

/** The refusal of a set, with every finding. */
export function refusalOf(findings: readonly PolicyFinding[]): BrokerError {
  return new BrokerError("INVALID_FIELD", `policies:\n${findings.map(formatPolicyFinding).join("\n")}`, {
    metadata: { field: "policies" },
  });
}
