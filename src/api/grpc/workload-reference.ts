import { fromBinary } from "@bufbuild/protobuf";
import type { WorkloadReference } from "../../decide/referenced-steps.ts";
import type { BrokerCallers } from "../../domain/broker-callers.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { isRemote } from "../../domain/process.ts";
import type { Attested } from "../../domain/stages.ts";
import {
  type WorkloadReference as ReferenceMessage,
  WorkloadPIDReferenceSchema,
} from "../../gen/spiffe/broker/api_pb.js";
import { WorkflowStepReferenceSchema } from "../../gen/stint/v1/references_pb.js";

const TYPE_PREFIX = "type.googleapis.com/";

/** The messages that this broker can resolve, by their full names. */
const TYPES: ReadonlyMap<string, (value: Uint8Array) => WorkloadReference> = new Map([
  [
    WorkflowStepReferenceSchema.typeName,
    (value): WorkloadReference => {
      const { runId, step, attempt } = fromBinary(WorkflowStepReferenceSchema, value);
      if (runId === "" || step === "" || attempt === 0) throw invalidField("reference", "run_id, step and attempt");
      return { kind: "step", runId, step, attempt };
    },
  ],
  [
    WorkloadPIDReferenceSchema.typeName,
    (value): WorkloadReference => {
      const { pid } = fromBinary(WorkloadPIDReferenceSchema, value);
      if (pid <= 0) throw invalidField("reference.pid", "the pid of a process");
      return { kind: "process", pid };
    },
  ],
]);

/**
 * The workload that a request references, if the caller may reference workloads by this type.
 *
 * @throws BrokerError INVALID_FIELD for a reference that is missing, of an unknown type or malformed, and only then
 *   NOT_ENTITLED for a caller that is not listed for the type
 * @see SPIFFE Broker API sections 3.1 and 4.1
 */
export function workloadReferenceOf(
  message: ReferenceMessage | undefined,
  caller: Attested,
  callers: BrokerCallers,
): WorkloadReference {
  const { typeUrl = "", value = new Uint8Array() } = message?.reference ?? {};
  const name = typeUrl.startsWith(TYPE_PREFIX) ? typeUrl.slice(TYPE_PREFIX.length) : "";
  const parse = TYPES.get(name);
  if (parse === undefined) {
    throw invalidField("reference", `one of the types ${[...TYPES.keys()].join(", ")}, packed in an Any`);
  }
  const reference = parsed(() => parse(value));
  checkMayReference(name, caller, callers);
  return reference;
}

/**
 * Checks that a caller may reference steps: naming a step by its id is a reference too.
 *
 * @throws BrokerError NOT_ENTITLED for a caller that may not reference steps where it is connected
 */
export function checkMayReferenceSteps(caller: Attested, callers: BrokerCallers): void {
  checkMayReference(WorkflowStepReferenceSchema.typeName, caller, callers);
}

function checkMayReference(name: string, caller: Attested, callers: BrokerCallers): void {
  const allowed = caller.entries
    .flatMap(({ spiffeId }) => callers.get(spiffeId) ?? [])
    .some(({ type, allowOverTcp }) => type === name && (allowOverTcp || !isRemote(caller.process)));
  if (!allowed) throw new BrokerError("NOT_ENTITLED", `the caller may not reference workloads by ${name} here`);
}

function parsed(parse: () => WorkloadReference): WorkloadReference {
  try {
    return parse();
  } catch (thrown) {
    if (thrown instanceof BrokerError) throw thrown;
    throw invalidField("reference", "a message of its type");
  }
}
