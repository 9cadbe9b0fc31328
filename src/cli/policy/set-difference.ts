import type { DataClass, Policy } from "../../gen/stint/v1/policies_pb.js";
import type { WholeSet } from "./whole-set.ts";

/** One thing in which two sets differ. */
export type PolicyChange = {
  readonly change: "added" | "removed" | "changed";
  readonly kind: "policy" | "data_class" | "ratchet";
  readonly name: string;
  /** File and line of a policy, in the later set if it is there. */
  readonly where: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
};

type Part = Pick<PolicyChange, "kind" | "name" | "where"> & { readonly text: string };

/** Policies and classes of data that were added, removed or changed, by their names. Where a policy stands does not count. */
export function differenceOfSets(before: WholeSet, after: WholeSet): readonly PolicyChange[] {
  const [was, is] = [partsOf(before), partsOf(after)];
  const keys = [...new Set([...was.keys(), ...is.keys()])].sort();
  return keys.flatMap((key): PolicyChange[] => {
    const [old, now] = [was.get(key), is.get(key)];
    const one = now ?? old;
    if (one === undefined || old?.text === now?.text) return [];
    const change = old === undefined ? "added" : now === undefined ? "removed" : "changed";
    const { kind, name, where } = one;
    return [{ change, kind, name, where, before: old?.text, after: now?.text }];
  });
}

function partsOf({ set, ratchet, policies, dataClasses }: WholeSet): ReadonlyMap<string, Part> {
  const parts: Part[] = [
    ...policies.map(policyPart),
    ...dataClasses.map(classPart),
    ...(set === undefined ? [] : [{ kind: "ratchet", name: "ratchet", where: "", text: ratchet } as const]),
  ];
  return new Map(parts.map((part) => [`${part.kind} ${part.name}`, part]));
}

function policyPart({ policyId, file, line, text }: Policy): Part {
  return { kind: "policy", name: policyId, where: `${file}:${line}`, text };
}

function classPart({ name, sensitivity, securityDomain }: DataClass): Part {
  return { kind: "data_class", name, where: "", text: [sensitivity, ...securityDomain].join(" ") };
}
