import type { PolicyAnswer, PolicyEffect, PolicyEngine } from "../../ports/policy-engine.ts";
import type { PolicyCase } from "./read-cases.ts";

/** What became of a case. */
export type CaseResult = {
  readonly case: PolicyCase;
  /** Sorted. */
  readonly policies: readonly string[];
  /** What is not as expected; none for a case that passed. */
  readonly differences: readonly string[];
};

/** @param root - of the set that is to be tested, which the engine has loaded. */
export async function runCase(engine: PolicyEngine, root: string, one: PolicyCase): Promise<CaseResult> {
  const answer = await engine.evaluate(root, one.request);
  return { case: one, policies: determining(answer), differences: differencesOf(one, answer) };
}

function partsOf({ whole, elements }: PolicyAnswer): readonly PolicyEffect[] {
  return [whole, ...elements];
}

function effectOf(answer: PolicyAnswer): PolicyEffect["effect"] {
  return partsOf(answer).every(({ effect }) => effect === "allow") ? "allow" : "deny";
}

/** Of what is denied, where something is; a permit beside it determined nothing. */
function determining(answer: PolicyAnswer): readonly string[] {
  const parts = partsOf(answer).filter(({ effect }) => effect === effectOf(answer));
  return [...new Set(parts.flatMap(({ policies }) => policies))].sort();
}

function differencesOf({ expected }: PolicyCase, answer: PolicyAnswer): readonly string[] {
  const differences: string[] = [];
  const compare = (what: string, wanted: string | undefined, got: string): void => {
    if (wanted !== undefined && wanted !== got) differences.push(`${what}: expected ${wanted}, got ${got}`);
  };
  const list = (texts: readonly string[]): string => (texts.length === 0 ? "none" : texts.join(", "));
  const effect = effectOf(answer);
  const by = determining(answer);
  if (effect !== expected.effect) differences.push(`expected ${expected.effect}, got ${effect} by ${list(by)}`);
  const elements = answer.elements.map((element) => element.effect);
  compare("elements", expected.elements && list(expected.elements), list(elements));
  compare("policies", expected.policies && list(expected.policies), list(by));
  compare("approval", expected.approval, approvalOf(answer) ?? "none");
  // A policy that can't be evaluated denies, and whoever expects a deny must not take that for it.
  const errors = [...new Set(partsOf(answer).flatMap((part) => part.errors ?? []))].sort();
  if (errors.length > 0) differences.push(`could not be evaluated: ${list(errors)}`);
  return differences;
}

/** The role that could approve all that is denied. */
function approvalOf(answer: PolicyAnswer): string | undefined {
  const denied = partsOf(answer).filter(({ effect }) => effect === "deny");
  const [first] = denied;
  return denied.every(({ approval }) => approval === first?.approval) ? first?.approval : undefined;
}
