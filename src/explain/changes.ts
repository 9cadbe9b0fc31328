import type { Grant } from "../domain/grant.ts";
import { isRiskier, RISK_LEVELS, type RiskAround, type RiskLevel } from "../domain/risk.ts";
import type { PassingChange } from "./explanation.ts";
import type { Trial, Variant, Verdict } from "./passing.ts";
import type { Recorded } from "./recorded.ts";
import { leftOut, pairsOf, reductionsOf } from "./reductions.ts";

/** Of changes that leave something out, so many are told: more are of no use to somebody who has to choose one. */
const REDUCTIONS_TOLD_MAX = 3;
/** Two of so many are tried together: past that it is their number that counts, and not which they are. */
const PAIRED_MAX = 64;

export type Changes = { readonly changes: readonly PassingChange[]; readonly isWholeSearch: boolean };

/**
 * Which changes of a denied request would have passed: with an approval; with one thing less in the request, whichever loses
 * least; without the parent; at a lower risk. Where none of them does, two of these at a time.
 *
 * @param refused - places of the elements that were refused.
 */
export async function passingChanges(recorded: Recorded, refused: readonly number[], trial: Trial): Promise<Changes> {
  const { requested } = recorded.decision;
  const search = searching(requested, trial);
  const singles = reductionsOf(requested, refused, limitsOf(recorded));
  const others = othersOf(recorded);
  const asItWas: Variant = { elements: requested, withoutParent: false };

  await search.look([asItWas], 1);
  await search.look(
    singles.map((elements) => ({ ...asItWas, elements })),
    REDUCTIONS_TOLD_MAX,
  );
  for (const other of others) await search.look([{ ...asItWas, ...other }], 1);
  if (search.found.length > 0) return search.result();

  const few = singles.slice(0, PAIRED_MAX);
  await search.look(
    pairsOf(requested, few).map((elements) => ({ ...asItWas, elements })),
    REDUCTIONS_TOLD_MAX,
  );
  for (const other of others) {
    await search.look(
      few.map((elements) => ({ ...asItWas, ...other, elements })),
      1,
    );
  }
  if (others.length > 1) await search.look([{ ...asItWas, ...Object.assign({}, ...others) }], 1);
  return search.result(singles.length <= PAIRED_MAX);
}

function searching(requested: Grant, trial: Trial) {
  const found: PassingChange[] = [];
  let isWhole = true;
  return {
    found,
    /** Tries variants in their order, until so many have passed. */
    async look(variants: readonly Variant[], max: number): Promise<void> {
      let passed = 0;
      for (const variant of variants) {
        if (passed >= max) return;
        const verdict = await trial.verdictOn(variant);
        if (verdict === undefined) {
          isWhole = false;
          return;
        }
        if (!verdict.passes) continue;
        // A request that passes with less in it, and then passes with still less, has said all that there is to say.
        if (found.some((known) => isNoBetter(variant, verdict, known, requested))) continue;
        found.push(changeOf(requested, variant, verdict));
        passed += 1;
      }
    },
    result: (hasTriedAll = true): Changes => ({ changes: found, isWholeSearch: isWhole && hasTriedAll }),
  };
}

/** Whether a change gives up all that another gives up, and needs what the other needs. */
function isNoBetter(variant: Variant, verdict: Verdict, known: PassingChange, requested: Grant): boolean {
  const approval = verdict.passes ? verdict.approval : undefined;
  if (known.approval !== undefined && known.approval !== approval) return false;
  if (known.withoutParent && !variant.withoutParent) return false;
  if (known.riskAtMost !== undefined && variant.risk === undefined) return false;
  const without = leftOut(requested, variant.elements);
  return known.without.every((lost) =>
    without.some(
      (one) =>
        one.element === lost.element &&
        (isOfAll(one) ||
          (!isOfAll(lost) &&
            (lost.maxCalls === undefined || (one.maxCalls ?? Number.POSITIVE_INFINITY) <= lost.maxCalls) &&
            lost.actions.every((action) => one.actions.includes(action)) &&
            lost.locations.every((location) => one.locations.includes(location)) &&
            lost.datatypes.every((datatype) => one.datatypes.includes(datatype)))),
    ),
  );
}

function isOfAll({ maxCalls, actions, locations, datatypes }: PassingChange["without"][number]): boolean {
  return maxCalls === undefined && actions.length + locations.length + datatypes.length === 0;
}

function changeOf(requested: Grant, { elements, withoutParent, risk }: Variant, verdict: Verdict): PassingChange {
  const without = leftOut(requested, elements);
  const approval = verdict.passes ? verdict.approval : undefined;
  return {
    ...(without.length === 0 ? {} : { grant: elements.filter((element) => element !== undefined) }),
    without,
    withoutParent,
    ...(risk === undefined ? {} : { riskAtMost: highestOf(risk) }),
    ...(approval === undefined ? {} : { approval }),
  };
}

/** What is no part of the grant and could have been otherwise, the lesser change first. */
function othersOf({ request }: Recorded): readonly Pick<Variant, "withoutParent" | "risk">[] {
  if (request === undefined) return [];
  const highest = highestOf(request.risk);
  const lower = RISK_LEVELS.filter((level) => isRiskier(highest, level)).toReversed();
  return [
    ...(request.parent === undefined || request.act !== "open" ? [] : [{ withoutParent: true }]),
    ...lower.map((level) => ({ withoutParent: false, risk: atMost(request.risk, level) })),
  ];
}

function highestOf({ domain, agent, run }: RiskAround): RiskLevel {
  return [agent, run].reduce((highest, one) => (isRiskier(one, highest) ? one : highest), domain);
}

function atMost({ domain, agent, run }: RiskAround, level: RiskLevel): RiskAround {
  const lowered = (one: RiskLevel) => (isRiskier(one, level) ? level : one);
  return { domain: lowered(domain), agent: lowered(agent), run: lowered(run) };
}

/** What a refused element could be narrowed to. */
function limitsOf({ ceiling, parentLimit }: Recorded): readonly Grant[] {
  return [ceiling, parentLimit].filter((limit) => limit !== undefined);
}
