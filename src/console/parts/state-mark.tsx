import { enumField } from "../../cli/output/fields.ts";
import { StepState } from "../../gen/stint/v1/types_pb.js";

/** The state of a step, in words; colour says nothing by itself. */
export function StateMark({ state }: { readonly state: StepState }) {
  const name = enumField(StepState, state);
  return <span class={`mark mark-${name.toLowerCase()}`}>{name}</span>;
}
