import type { Grant } from "../../src/domain/grant.ts";
import type { FactScope } from "../../src/domain/run-facts.ts";

/** What the events say of data classes that were granted, by scope. */
export type ModelFacts = {
  /** Counts a grant in all of these scopes, which it connects: what is known of one is known of all from then on. */
  grant(scopes: readonly FactScope[], grant: Grant): void;
  classesOf(scopes: readonly FactScope[]): readonly string[];
};

export function createModelFacts(): ModelFacts {
  const known = new Map<FactScope, ReadonlySet<string>>();
  const classesOf = (scopes: readonly FactScope[]) => [
    ...new Set(scopes.flatMap((scope) => [...(known.get(scope) ?? [])])),
  ];
  return {
    classesOf,
    grant(scopes, grant) {
      const all = new Set([...classesOf(scopes), ...grant.flatMap(({ datatypes }) => datatypes)]);
      for (const scope of scopes) known.set(scope, all);
    },
  };
}
