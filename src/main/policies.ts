import { isUtf8 } from "node:buffer";
import { createCedarEngine } from "../adapters/policy-cedar/cedar-engine.ts";
import { type PoliciesRead, readPolicies } from "../adapters/policy-cedar/read-policies.ts";
import { splitPolicies } from "../adapters/policy-cedar/split-policies.ts";
import type { PoliciesConfig } from "../config/policies-section.ts";
import { inOrder } from "../domain/policy-set.ts";
import { type DeclaredSet, formatPolicyFinding, notInForce, refusalOf } from "../policy/declared-policies.ts";
import type { KeptPolicies } from "../policy/policy-directory.ts";
import { createPolicySets, type Declared, type PolicySetsPorts } from "../policy/policy-sets.ts";
import type { Log } from "../ports/log.ts";
import type { PolicyFinding } from "../ports/policy-engine.ts";
import { reachedBy } from "./in-force.ts";

type Read = DeclaredSet & { readonly ignored: readonly PolicyFinding[] };

/**
 * The set that a configuration declares.
 *
 * @param writer - given where nobody but this user and root may be able to write to the site's policies.
 */
async function readDeclared(config: PoliciesConfig, writer?: number): Promise<Read> {
  const { baseline, directory, dataClasses, external } = config;
  // Some set has to be in force for anybody to be asked; it brings the classes of data.
  if (external?.opa.insteadOfCedar) {
    return { set: { policies: [], dataClasses }, isAlone: true, findings: [], ignored: [] };
  }
  if (!baseline && directory === undefined) return { set: undefined, findings: [], ignored: [] };
  const { policies, findings, ignored } = await readPolicies({
    baseline,
    ...(directory !== undefined && { directory }),
    ...(writer !== undefined && { writer }),
  });
  const isEmpty = policies.length === 0 && findings.length === 0;
  const empty = {
    file: directory ?? "",
    line: 1,
    column: 1,
    message: "no policy is in it, so that nothing is permitted",
  };
  return { set: { policies, dataClasses }, findings: isEmpty ? [empty] : findings, ignored };
}

/** The policies in files that were sent, and those that come with Stint if they are to be among them. */
export async function readSent(
  files: readonly { readonly name: string; readonly text: Uint8Array }[],
  baseline: boolean,
): Promise<Pick<PoliciesRead, "policies" | "findings">> {
  const own = baseline ? await readPolicies({ baseline }) : undefined;
  const read = files.map(({ name, text }) =>
    isUtf8(text)
      ? splitPolicies(Buffer.from(text).toString("utf8"), name)
      : { policies: [], findings: [{ file: name, line: 1, column: 1, message: "expected UTF-8" }] },
  );
  const all = [...(own === undefined ? [] : [own]), ...read];
  return {
    policies: inOrder(all.flatMap(({ policies }) => policies)),
    findings: all.flatMap(({ findings }) => findings),
  };
}

/** Rejects with every finding, as a start would. */
export async function checkDeclared(config: PoliciesConfig): Promise<void> {
  const { set, findings } = await readDeclared(config);
  if (findings.length > 0) throw refusalOf(findings);
  if (set === undefined) return;
  const engine = createCedarEngine();
  try {
    const problems = await engine.check(set);
    if (problems.length > 0) throw refusalOf(problems);
  } finally {
    await engine.close();
  }
}

export type PoliciesPorts = Omit<PolicySetsPorts, "isNewLedger" | "inForce"> & { readonly log: Log };

/** Brings the policies in force to what is declared, before anybody is let in. @throws BrokerError INVALID_FIELD */
export async function declareAtStart(
  config: PoliciesConfig,
  ports: PoliciesPorts & Pick<PolicySetsPorts, "isNewLedger">,
): Promise<Declared> {
  const read = await readDeclared(config);
  const declared = await createPolicySets(ports).declare(read);
  tellDeclared(ports.log, declared, read);
  // A start says what decides, also where nothing changed.
  if (!declared.activated && declared.inForce !== 0) {
    ports.log.info("policies are in force", { version: declared.inForce });
  }
  return declared;
}

/** The policies of a running broker. */
export function administerPolicies(
  config: PoliciesConfig,
  atStart: Declared,
  { directory, ...ports }: PoliciesPorts & { readonly directory: Pick<KeptPolicies, "following" | "version"> },
) {
  const inForce = reachedBy(directory.following);
  const sets = createPolicySets({ ...ports, isNewLedger: false, inForce });
  let declared = atStart;
  let classes = config.dataClasses;
  return {
    sets,
    dataClasses: () => classes,
    declaredVersion: () => declared.version ?? 0,
    /** Takes what is declared now. @throws BrokerError INVALID_FIELD; nothing is changed then */
    async declare(changed: PoliciesConfig, writer: number): Promise<void> {
      const read = await readDeclared(changed, writer);
      declared = await sets.declare(read);
      classes = changed.dataClasses;
      tellDeclared(ports.log, declared, read);
    },
    /** That declared policies are not in force, or that nobody asks the engine outside of the broker, if so. */
    warning(): string | undefined {
      if (directory.following.refusal() !== undefined) return undefined;
      const why = notInForce(declared.version, directory.version());
      if (config.external === undefined || directory.version() !== 0) return why;
      return `${why ?? "policies: none are in force"}; OPA is not asked`;
    },
  };
}

/** Logs what became of declared policies. */
function tellDeclared(log: Log, { version, inForce, activated }: Declared, { ignored, set }: Read): void {
  for (const finding of ignored) log.warning(`policies: ${formatPolicyFinding(finding)}`);
  if (activated) log.info("policies are in force", { version: inForce, policies: set?.policies.length ?? 0 });
  else if (version === undefined && inForce !== 0) {
    log.warning(`policies: the configuration names none, and version ${inForce} stays in force`);
  } else {
    const why = notInForce(version, inForce);
    if (why !== undefined) log.warning(why);
  }
}
