import type { Actor } from "../domain/actor.ts";
import { errorOf, isDenial } from "../domain/errors.ts";
import { digestOfPolicy, inOrder, type PolicySet, rootOfSet } from "../domain/policy-set.ts";
import type { Clock } from "../ports/clock.ts";
import type { InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { PolicyReads } from "../ports/ledger-reads.ts";
import type { PolicySetResult } from "../ports/policy-acts.ts";
import type { PolicyEngine, PolicyFinding } from "../ports/policy-engine.ts";
import { type DeclaredSet, declarationOf, refusalOf } from "./declared-policies.ts";

/** What changes the policies in force. */
export type PolicySets = {
  /** Records a set, which decides nothing until it is activated. @returns what keeps the set from being recorded */
  put(set: PolicySet, by: Actor): Promise<PolicySetResult | readonly PolicyFinding[]>;
  /**
   * Puts a version in force; 0: none. The engine has the set before it is in force, and the answer comes once it is.
   *
   * @returns whether anything changed
   * @throws BrokerError INVALID_FIELD `version`
   */
  activate(version: number, reason: string, by: Actor): Promise<boolean>;
  /**
   * Brings the policies in force to what the configuration declares, as far as no operator has decided otherwise.
   *
   * @throws BrokerError INVALID_FIELD with every finding; nothing is changed then
   */
  declare(declared: DeclaredSet): Promise<Declared>;
};

/** What became of a declared set. */
export type Declared = {
  /** Of the declared set; absent where none is declared. */
  readonly version?: number;
  /** What is in force now; 0: none. */
  readonly inForce: number;
  /** Whether this declaration put the set in force. */
  readonly activated: boolean;
};

export type PolicySetsPorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly policies: Pick<PolicyReads, "policySet" | "policySets" | "policyActivation">;
  readonly engine: Pick<PolicyEngine, "check" | "load" | "unload">;
  readonly clock: Pick<Clock, "now">;
  /** Waits until a set that was put in force can be asked. Absent before anybody is let in. */
  readonly inForce?: InForce;
  /** Whether nothing was ever permitted by this ledger. */
  readonly isNewLedger: boolean;
};

const BY_CONFIG: Actor = { kind: "broker", cause: "config" };
const DECLARED = "declared by the configuration";

export function createPolicySets(ports: PolicySetsPorts): PolicySets {
  const { ledger, policies, engine, clock } = ports;

  async function record(
    set: PolicySet,
    act: { readonly origin: "config" | "api"; readonly by: Actor; readonly activates?: { readonly reason: string } },
  ): Promise<PolicySetResult> {
    const result = await ledger.perform({ act: "put-policy-set", set, ...act, now: clock.now() });
    if (isDenial(result)) throw errorOf(result);
    if (act.activates !== undefined) await ports.inForce?.(result.sequence);
    return result;
  }

  /**
   * With the set in the engine already, its follower has nothing to wait for. Before anybody is let in nobody waits, and
   * what is put in force was checked.
   */
  async function loaded<Result>(root: string, set: PolicySet, act: () => Promise<Result>): Promise<Result> {
    if (ports.inForce === undefined) return act();
    await engine.load(root, set);
    try {
      return await act();
    } finally {
      // A set that is in force is held by the follower, which has it by now.
      engine.unload(root);
    }
  }

  return {
    async put(set, by) {
      const findings = await engine.check(set);
      return findings.length > 0 ? findings : record(set, { origin: "api", by });
    },
    async activate(version, reason, by) {
      const set = version === 0 ? undefined : await policies.policySet(version);
      const act = async () => {
        const done = await ledger.perform({ act: "activate-policy-set", version, reason, by, now: clock.now() });
        if (isDenial(done)) throw errorOf(done);
        await ports.inForce?.(done.sequence);
        return done.sequence !== 0;
      };
      return set === undefined ? act() : loaded(set.root, set, act);
    },
    async declare({ set, findings, isAlone }) {
      if (findings.length > 0) throw refusalOf(findings);
      const last = await policies.policyActivation();
      const inForce = last?.version ?? 0;
      if (set === undefined) return { inForce, activated: false };
      const root = rootOf(set);
      const known = (await policies.policySets()).find((one) => one.root === root)?.version;
      const declaration = declarationOf(known, last, ports.isNewLedger, isAlone);
      if (declaration === "in-force") return { version: inForce, inForce, activated: false };
      const problems = await engine.check(set);
      if (problems.length > 0) throw refusalOf(problems);
      if (declaration !== "activate") {
        const { version } = await record(set, { origin: "config", by: BY_CONFIG });
        return { version, inForce, activated: false };
      }
      const act = () => record(set, { origin: "config", by: BY_CONFIG, activates: { reason: DECLARED } });
      const { version } = await loaded(root, set, act);
      return { version, inForce: version, activated: true };
    },
  };
}

function rootOf({ policies, dataClasses }: PolicySet): string {
  return rootOfSet(inOrder(policies).map(digestOfPolicy), dataClasses);
}
