import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Decision, RefusedCaller, ToolCall } from "../domain/decision.ts";
import { type DecisionSchema, Effect } from "../gen/stint/v1/history_pb.js";
import { grantMessageOf } from "./grant-message.ts";
import { timestampOfMicros } from "./timestamps.ts";

/** @param decision.sequence - sequence of the ledger's event that holds the decision. */
export function decisionMessageOf(
  decision: Decision & { readonly sequence: number },
): MessageInitShape<typeof DecisionSchema> {
  const { runId, step, attempt } = decision;
  return {
    decisionId: decision.decisionId,
    effect: decision.effect === "allow" ? Effect.ALLOW : Effect.DENY,
    reason: decision.reason ?? "",
    decidedAt: timestampOfMicros(decision.decidedAt),
    // A denied opening may have named no attempt, and then has none.
    ...(runId === undefined || step === undefined ? {} : { stepName: { runId, step, attempt: attempt ?? 0 } }),
    stepId: decision.stepId ?? "",
    agent: decision.agent ?? "",
    callerEntryId: decision.callerEntryId ?? "",
    requested: grantMessageOf(decision.requested),
    granted: grantMessageOf(decision.granted),
    refused: grantMessageOf(decision.refused),
    determiningPolicies: [...decision.determiningPolicies],
    policyDigest: decision.policyDigest,
    sequence: BigInt(decision.sequence),
    count: decision.count,
    message: decision.message ?? "",
    ...(decision.call === undefined ? {} : { call: callMessageOf(decision.call) }),
    ...(decision.caller === undefined ? {} : { caller: callerMessageOf(decision.caller) }),
  };
}

function callMessageOf({ location, tool, actions, datatypes, argumentsSha256 = "", jti = "", counted = [] }: ToolCall) {
  return {
    location,
    tool,
    actions: [...actions],
    datatypes: [...datatypes],
    argumentsSha256: new Uint8Array(Buffer.from(argumentsSha256, "hex")),
    jti,
    counted: [...counted],
  };
}

function callerMessageOf({ uid, executable = "", executableSha256 = "", selectors }: RefusedCaller) {
  return {
    ...(uid === undefined ? {} : { uid }),
    executable,
    executableSha256: new Uint8Array(Buffer.from(executableSha256, "hex")),
    selectors: [...selectors],
  };
}
