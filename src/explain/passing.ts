import { heldBackBy } from "../decide/held-back.ts";
import { type BoundsPorts, stepsOutOfBounds } from "../decide/out-of-bounds.ts";
import { layerOf, putTo, type UnconfinedRequest } from "../decide/recorded-request.ts";
import type { World } from "../decide/world.ts";
import { BrokerError } from "../domain/errors.ts";
import { type Grant, type GrantElement, isWithin } from "../domain/grant.ts";
import type { RiskAround, RiskScope } from "../domain/risk.ts";
import { type FactScope, factScopesOf, NO_FACTS } from "../domain/run-facts.ts";
import { addSeconds, secondsOf } from "../domain/time.ts";
import type { RecordedWorld, StepReads } from "../ports/ledger-reads.ts";
import type { PolicyAnswer, PolicyEngine, PolicyRequest } from "../ports/policy-engine.ts";
import type { Recorded } from "./recorded.ts";
import { type Reduced, sizeOf } from "./reductions.ts";

/** What is tried instead of a request. */
export type Variant = {
  readonly elements: Reduced;
  readonly withoutParent: boolean;
  /** Absent: as it was. */
  readonly risk?: RiskAround;
};

/** Whether a variant passes, and with whose approval only. */
export type Verdict = { readonly passes: false } | { readonly passes: true; readonly approval?: string };

const REFUSED: Verdict = { passes: false };

/** What one explanation may ask of the engine; at a tenth of a millisecond for one question, two seconds. */
const EVALUATIONS_MAX = 512;
const QUESTIONS_MAX = 16_384;

export type PassingPorts = Pick<BoundsPorts, "principals"> & {
  readonly steps: Pick<StepReads, "opening" | "step">;
  readonly engine: Pick<PolicyEngine, "evaluate">;
};

/** Asks whether variants of a recorded request would have passed, as often as one explanation may. */
export type Trial = {
  /** @returns `undefined` once nothing more may be asked */
  verdictOn(variant: Variant): Promise<Verdict | undefined>;
};

/** Verified as the decision itself was made: by ceiling, parent, policies and open parent, on the recorded facts. */
export function createTrial(recorded: Recorded, ports: PassingPorts): Trial {
  let evaluations = 0;
  let questions = 0;

  return {
    async verdictOn(variant) {
      const grant = variant.elements.filter((element) => element !== undefined);
      if (!isWithinLimits(variant, recorded)) return REFUSED;
      const { request, set } = recorded;
      if (request === undefined || set === undefined) return { passes: true };
      evaluations += 1;
      questions += sizeOf(variant.elements);
      if (evaluations > EVALUATIONS_MAX || questions > QUESTIONS_MAX) return undefined;
      try {
        const changed = putTo(set.dataClasses, changedRequest(request, variant, grant));
        const verdict = verdictOf(await ports.engine.evaluate(set.root, changed));
        if (!verdict.passes || variant.withoutParent) return verdict;
        return (await endsParent(recorded, changed, ports)) ? REFUSED : verdict;
      } catch (thrown) {
        if (isRefusal(thrown)) return REFUSED;
        throw thrown;
      }
    },
  };
}

/** What is too much for the engine is refused, and so is what would be done for somebody who is not known any more. */
export function isRefusal(thrown: unknown): boolean {
  return thrown instanceof BrokerError && (thrown.code === "LIMIT_EXCEEDED" || thrown.code === "NOT_ENTITLED");
}

/**
 * What neither ceiling nor parent had refused passes them with less in it too; the rest has to be within what is known of
 * both, all together, since elements draw on the same budgets.
 */
function isWithinLimits({ elements, withoutParent }: Variant, recorded: Recorded): boolean {
  const { decision, ceiling, parentLimit } = recorded;
  const limited = elements.flatMap((element, index) => {
    const layer = element === undefined ? undefined : limitOf(recorded, index);
    return layer === undefined ? [] : [layer];
  });
  if (limited.length === 0) return true;
  const { situation, reason } = decision;
  const grant = elements.filter((element) => element !== undefined);
  const isAboveParentAlone = limited.every((layer) => layer === "parent");
  const passesCeiling = isAboveParentAlone || (ceiling !== undefined && isWithin(grant, ceiling));
  const isDelegated = situation === undefined ? reason === "DELEGATION_REFUSED" : situation.depth > 0;
  const passesParent = withoutParent || !isDelegated || (parentLimit !== undefined && isWithin(grant, parentLimit));
  return passesCeiling && passesParent;
}

/** Without policies only ceiling and parent can have refused an element, and the ledger does not say which. */
function limitOf({ decision, request }: Recorded, index: number): "ceiling" | "parent" | "either" | undefined {
  const { situation, requested, refused } = decision;
  const layer = situation === undefined ? undefined : layerOf(situation, index);
  if (layer !== undefined || request !== undefined) return layer;
  const original = requested[index];
  return original !== undefined && holds(refused, original) ? "either" : undefined;
}

function holds(grant: Grant, element: GrantElement): boolean {
  return grant.some((one) => JSON.stringify(one) === JSON.stringify(element));
}

function changedRequest(
  { parent, confinedTo: _, ...request }: PolicyRequest,
  { withoutParent, risk = request.risk }: Variant,
  grant: Grant,
): UnconfinedRequest {
  return {
    ...request,
    ...(parent === undefined || withoutParent ? {} : { parent }),
    depth: withoutParent ? 0 : request.depth,
    risk,
    requested: grant,
    elements: grant,
  };
}

/** @returns whether all of it is permitted, if not without approval then by the one role that could give it */
function verdictOf({ whole, elements }: PolicyAnswer): Verdict {
  const effects = [whole, ...elements];
  if (effects.every(({ effect }) => effect === "allow")) return { passes: true };
  const held = heldBackBy(effects);
  return held === undefined ? REFUSED : { passes: true, approval: held.role };
}

/** Whether the parent could not go on once this were granted: then it is not granted. */
async function endsParent({ parent, set }: Recorded, request: PolicyRequest, ports: PassingPorts): Promise<boolean> {
  if (request.act !== "open" || parent === undefined || set === undefined) return false;
  const { facts, risk, at } = request;
  const scopes = factScopesOf(parent);
  const world: World = {
    policies: { version: set.version, root: set.root, sequence: 0, dataClasses: set.dataClasses },
    facts,
    // The ledger holds what was known in all scopes together. A scope in which nothing was known has the parent judged.
    scopes: scopes.map((scope) => ({ ...NO_FACTS, scope, version: 0 })),
    countsIn: scopes,
    risk,
    at,
    guard: { policies: 0, facts: [], risk: [] },
    through: 0,
  };
  const opening = { granted: request.requested, parent, replaces: undefined };
  const { closesParent } = await stepsOutOfBounds(opening, world, {
    ...ports,
    policies: { inForce: async () => world.policies },
    steps: { ...ports.steps, world: async (_, risks) => worldOfParent(scopes, risks, request) },
    clock: { now: () => at },
    stepDirectory: { openInScopes: async () => [parent] },
  });
  return closesParent;
}

/** What the parent is judged on: as recorded of the step that was to be opened under it. */
function worldOfParent(
  scopes: readonly FactScope[],
  risks: readonly RiskScope[],
  { facts, risk, at }: Pick<PolicyRequest, "facts" | "risk" | "at">,
): RecordedWorld {
  const levelOf = (one: RiskScope) => (one === "domain" ? risk.domain : one.startsWith("run:") ? risk.run : risk.agent);
  const expiresAt = addSeconds(secondsOf(at), 1);
  return {
    countsIn: scopes,
    facts: scopes.slice(0, 1).map((scope) => ({ ...facts, scope, version: 0 })),
    together: facts,
    risks: risks.map((one) => ({ scope: one, level: levelOf(one), expiresAt, sequence: 0, reason: "" })),
    through: 0,
  };
}
