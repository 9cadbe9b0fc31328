import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TellDescendantsRequestSchema } from "../../gen/stint/v1/history_pb.js";
import type { RevokeRequestSchema } from "../../gen/stint/v1/revocations_pb.js";

type Cause = NonNullable<
  Exclude<MessageInitShape<typeof TellDescendantsRequestSchema>, { $typeName: string }>["cause"]
>;
type Target = NonNullable<Exclude<MessageInitShape<typeof RevokeRequestSchema>, { $typeName: string }>["target"]>;

/** What something can descend from: for a blast radius, and for a revocation, which both name it the same. */
export type Causes = { readonly cause: Cause; readonly target: Target };

/** The kinds of cause, by the names that they have in addresses. */
export const CAUSES: Readonly<Record<string, { readonly says: string; readonly of: (value: string) => Causes }>> = {
  step: {
    says: "a step's id",
    of: (value) => ({ cause: { case: "stepId", value }, target: { case: "stepId", value } }),
  },
  run: { says: "a run", of: (value) => ({ cause: { case: "runId", value }, target: { case: "runId", value } }) },
  agent: {
    says: "an agent's name",
    of: (value) => ({ cause: { case: "entry", value: `agent/${value}` }, target: { case: "agent", value } }),
  },
  entry: {
    says: "an entry, e.g. runtime/flow",
    of: (value) => ({ cause: { case: "entry", value }, target: { case: "entry", value } }),
  },
  principal: {
    says: "a principal's id",
    of: (value) => ({ cause: { case: "principalId", value }, target: { case: "principalId", value } }),
  },
  decision: {
    says: "a decision's id",
    of: (value) => ({ cause: { case: "decisionId", value }, target: { case: "decisionId", value } }),
  },
  key: {
    says: "the SHA-256 of a public key",
    of: (value) => ({ cause: { case: "key", value }, target: { case: "key", value } }),
  },
};
