import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RecordedPolicySet } from "../../domain/policy-set.ts";
import {
  type PoliciesGetResponseSchema,
  type PolicyActivationSchema,
  type PolicyFindingSchema,
  PolicyOrigin,
  type PolicySetSchema,
} from "../../gen/stint/v1/policies_pb.js";
import type { PolicyActivation, PolicySetRow } from "../../ports/ledger-reads.ts";
import type { PolicyFinding } from "../../ports/policy-engine.ts";
import { timestampOfMicros } from "../../wire/timestamps.ts";

const ORIGINS = { config: PolicyOrigin.CONFIG, api: PolicyOrigin.API } as const;

export function policySetMessageOf(row: PolicySetRow, inForce: number): MessageInitShape<typeof PolicySetSchema> {
  const { version, root, origin, count, putAt, activatedAt } = row;
  return {
    version,
    root,
    origin: ORIGINS[origin],
    policies: count,
    putAt: timestampOfMicros(putAt),
    ...(activatedAt === undefined ? {} : { activatedAt: timestampOfMicros(activatedAt) }),
    inForce: version === inForce,
  };
}

export function findingMessageOf(finding: PolicyFinding): MessageInitShape<typeof PolicyFindingSchema> {
  const { file, line, column, policyId = "", message } = finding;
  return { file, line, column, policyId, message };
}

export function activationMessageOf(activation: PolicyActivation): MessageInitShape<typeof PolicyActivationSchema> {
  const { version, reason, activatedAt, by } = activation;
  return { version, reason, activatedAt: timestampOfMicros(activatedAt), byOperator: by.kind === "operator" };
}

/** A set in its parts: what it is, its classes of data, its policies. */
export function* setPartsOf(
  row: PolicySetRow,
  { policies, dataClasses }: RecordedPolicySet,
  inForce: number,
): Generator<MessageInitShape<typeof PoliciesGetResponseSchema>, void, void> {
  yield { part: { case: "set", value: policySetMessageOf(row, inForce) } };
  yield { part: { case: "ratchet", value: dataClasses.ratchet } };
  for (const [name, { sensitivity, securityDomain }] of Object.entries(dataClasses.classes)) {
    yield { part: { case: "dataClass", value: { name, sensitivity, securityDomain: [...securityDomain] } } };
  }
  for (const { policyId, file, line, text } of policies) {
    yield { part: { case: "policy", value: { policyId, file, line, text } } };
  }
}
