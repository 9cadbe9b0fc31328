import type { DataClass, Policies, Policy, PolicySet } from "../../gen/stint/v1/policies_pb.js";
import type { ClientOf } from "../../wire/client.ts";

/** A set of policies with all that is in it. */
export type WholeSet = {
  /** Absent of version 0, which has nothing in it. */
  readonly set: PolicySet | undefined;
  readonly ratchet: string;
  readonly dataClasses: readonly DataClass[];
  readonly policies: readonly Policy[];
};

/** A version from its parts; version 0 is the set without policies. @throws CallError */
export async function readSet({ get }: ClientOf<typeof Policies>, version: number): Promise<WholeSet> {
  const policies: Policy[] = [];
  const dataClasses: DataClass[] = [];
  let set: PolicySet | undefined;
  let ratchet = "";
  if (version === 0) return { set, ratchet, dataClasses, policies };
  for await (const { part } of get({ version })) {
    if (part.case === "set") set = part.value;
    else if (part.case === "policy") policies.push(part.value);
    else if (part.case === "dataClass") dataClasses.push(part.value);
    else if (part.case === "ratchet") ratchet = part.value;
  }
  return { set, ratchet, dataClasses, policies };
}
