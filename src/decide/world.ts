import type { DecidedOnWorld } from "../domain/decision.ts";
import { greatestRisk, type RiskAround, type RiskScope, riskScopesOf } from "../domain/risk.ts";
import { type FactScope, NO_FACTS, type RunFacts, type ScopeFacts, unitedGrants } from "../domain/run-facts.ts";
import { hasExpired } from "../domain/step.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { PolicyDirectory } from "../ports/directories.ts";
import type { StepReads } from "../ports/ledger-reads.ts";
import type { PoliciesInForce } from "../ports/policy-engine.ts";

export type WorldPorts = {
  readonly policies: PolicyDirectory;
  readonly steps: Pick<StepReads, "world">;
  readonly clock: Pick<Clock, "now">;
};

/** The state of the world in which a decision is made. */
export type World = {
  readonly policies: PoliciesInForce;
  /** What is known of all scopes together, and how many steps count where a grant counts. */
  readonly facts: RunFacts;
  /** Of each scope by itself: where a grant counts, and the runs that are connected with these now. */
  readonly scopes: readonly ScopeFacts[];
  /** Where a grant counts: in the scopes of the standpoint, and of the principals that its runs have worked for. */
  readonly countsIn: readonly FactScope[];
  readonly risk: RiskAround;
  readonly at: UnixMicros;
  /** By which the ledger tells whether the world is still the same. */
  readonly guard: DecidedOnWorld;
  /** The last sequence that facts and risk take account of. */
  readonly through: number;
};

/** Whose world it is: an agent's, in a run, with the scopes in which its grants count. */
export type Standpoint = { readonly agent: string; readonly scopes: readonly FactScope[] };

/**
 * The world around a step that is, or may come to be. Where no set of policies is in force nothing else is looked at,
 * since nothing else decides.
 *
 * @throws BrokerError NOT_SERVING, LEDGER_UNAVAILABLE
 */
export async function lookAround({ agent, scopes }: Standpoint, ports: WorldPorts): Promise<World> {
  const policies = await ports.policies.inForce();
  const at = ports.clock.now();
  if (policies.version === 0) {
    return {
      policies,
      facts: NO_FACTS,
      scopes: [],
      countsIn: scopes,
      risk: NO_RISK,
      at,
      guard: { policies: policies.sequence, facts: [], risk: [] },
      through: 0,
    };
  }
  const riskScopes = riskScopesOf(agent, scopes);
  const { ratchet } = policies.dataClasses;
  const { countsIn, facts: known, together, risks, through } = await ports.steps.world(scopes, riskScopes, ratchet);
  const around = [...new Set([...countsIn, ...known.map(({ scope }) => scope)])];
  const facts = around.map((scope) => known.find((one) => one.scope === scope) ?? { ...NO_FACTS, scope, version: 0 });
  const levelOf = (scope: RiskScope) => {
    const risk = risks.find((one) => one.scope === scope);
    return risk === undefined || hasExpired(risk.expiresAt, at) ? "low" : risk.level;
  };
  return {
    policies,
    facts: { ...unitedGrants(facts), stepsOpen: together.stepsOpen, steps: together.steps },
    scopes: facts,
    countsIn,
    risk: {
      domain: levelOf("domain"),
      agent: levelOf(`agent:${agent}`),
      run: greatestRisk(riskScopes.filter((scope) => scope.startsWith("run:")).map(levelOf)),
    },
    at,
    guard: {
      policies: policies.sequence,
      facts: facts.map(versionOf),
      risk: riskScopes.map((scope) => ({ scope, sequence: risks.find((one) => one.scope === scope)?.sequence ?? 0 })),
    },
    through,
  };
}

/** Ports by which all is decided by one set: a decision must not be made by a part of one and a part of the next. */
export function decidingBy<Ports extends WorldPorts>(inForce: PoliciesInForce, ports: Ports): Ports {
  return { ...ports, policies: { inForce: async () => inForce } };
}

const NO_RISK: RiskAround = { domain: "low", agent: "low", run: "low" };

/** The number of steps is part of it: no step may be opened between a look at the open steps and what follows from it. */
function versionOf({ scope, version, steps }: ScopeFacts): DecidedOnWorld["facts"][number] {
  return { scope, version, steps };
}

/**
 * The guard of a decision on a world. Where it does not hang on how many steps there are, other steps of the run may be
 * opened meanwhile.
 */
export function guardOf({ guard }: World, hangsOnCounts: boolean): DecidedOnWorld {
  if (hangsOnCounts) return guard;
  return { ...guard, facts: guard.facts.map(({ scope, version }) => ({ scope, version })) };
}
