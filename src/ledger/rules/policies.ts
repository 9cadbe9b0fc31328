import { canonicalText } from "../../domain/canonical-json.ts";
import { type Denial, denial } from "../../domain/errors.ts";
import type { LedgerEvent, PolicySetActivated } from "../../domain/ledger-event.ts";
import { LIMITS } from "../../domain/limits.ts";
import { digestOfPolicy, inOrder, type Policy, type PolicySet, rootOfSet } from "../../domain/policy-set.ts";
import type { Sequenced } from "../../ports/ledger-acts.ts";
import type { ActivatePolicySetAct, PolicySetResult, PutPolicySetAct } from "../../ports/policy-acts.ts";
import { answered, ask, type Deliberation, read, recorded, refused } from "../rule.ts";
import { recordedAll, sequenced } from "./sequenced.ts";

/** So many digests, at 67 bytes each, stay well below the largest size of one event. */
const LISTED_PER_EVENT_MAX = 500;

export function* putPolicySet(act: PutPolicySetAct): Deliberation<PolicySetResult | Denial> {
  const refusal = setRefusal(act.set);
  if (refusal !== undefined) return refused(refusal);
  const policies = inOrder(act.set.policies).map((policy) => ({ policy, digest: digestOfPolicy(policy) }));
  const digests = policies.map(({ digest }) => digest);
  const root = rootOfSet(digests, act.set.dataClasses);
  const { same, newest, inForce, known } = yield* ask({
    same: read("policySetNamed", root),
    newest: read("newestPolicySet"),
    inForce: read("policiesInForce"),
    known: digests.map((digest) => read("isPolicyKnown", digest)),
  });
  const version = same ?? newest + 1;
  const isNew = policies.filter((_, index) => known[index] !== true);
  const events: LedgerEvent[] = [
    ...(same === undefined ? putting(act, { version, root, digests, policies: isNew }) : []),
    ...(act.activates !== undefined && inForce.version !== version
      ? [activation({ ...act, version, reason: act.activates.reason })]
      : []),
  ];
  const result = { kind: "policy-set", version, root } as const;
  return recorded(events, (first) => ({ ...result, sequence: events.length === 0 ? 0 : first + events.length - 1 }));
}

type Putting = {
  readonly version: number;
  readonly root: string;
  readonly digests: readonly string[];
  /** Those that no set before this one has. */
  readonly policies: readonly { readonly policy: Policy; readonly digest: string }[];
};

function putting({ set, origin, by, now }: PutPolicySetAct, putting: Putting): readonly LedgerEvent[] {
  const { version, root, digests, policies } = putting;
  const { dataClasses } = set;
  const listed: LedgerEvent[] = [];
  for (let start = 0; start < digests.length; start += LISTED_PER_EVENT_MAX) {
    const part = digests.slice(start, start + LISTED_PER_EVENT_MAX);
    listed.push({ type: "policy_set.listed", v: 1, at: now, version, digests: part });
  }
  return [
    ...policies.map(({ policy, digest }): LedgerEvent => ({ type: "policy.put", v: 1, at: now, digest, policy })),
    ...listed,
    { type: "policy_set.put", v: 1, at: now, set: { version, root, origin, count: digests.length, dataClasses }, by },
  ];
}

function setRefusal({ policies }: PolicySet): Denial | undefined {
  if (policies.length > LIMITS.policiesPerSetMax) {
    return denial("LIMIT_EXCEEDED", `policies: at most ${LIMITS.policiesPerSetMax} in a set`);
  }
  const sizes = policies.map((policy) => Buffer.byteLength(canonicalText(policy)));
  if (sizes.some((size) => size > LIMITS.policyBytesMax)) {
    return denial("LIMIT_EXCEEDED", `policies: at most ${LIMITS.policyBytesMax} bytes in one`);
  }
  if (sizes.reduce((sum, size) => sum + size, 0) > LIMITS.policySetBytesMax) {
    return denial("LIMIT_EXCEEDED", `policies: at most ${LIMITS.policySetBytesMax} bytes in all`);
  }
  if (new Set(policies.map(({ policyId }) => policyId)).size < policies.length) {
    return denial("INVALID_FIELD", "policies: no two with the same id", { field: "policies" });
  }
  return undefined;
}

export function* activatePolicySet(act: ActivatePolicySetAct): Deliberation<Sequenced | Denial> {
  const { root, inForce } = yield* ask({
    root: read("policySetRoot", act.version),
    inForce: read("policiesInForce"),
  });
  if (act.version !== 0 && root === undefined) {
    return refused(denial("INVALID_FIELD", "version: one that the broker has, or 0", { field: "version" }));
  }
  if (inForce.version === act.version) return answered(sequenced(0));
  return recordedAll([activation(act)]);
}

function activation({ version, reason, by, now }: Omit<ActivatePolicySetAct, "act">): PolicySetActivated {
  return { type: "policy_set.activated", v: 1, at: now, version, reason, by };
}
