import type { Grant } from "../../src/domain/grant.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import type { EventOf } from "./events.ts";

/** A delegation token that left the broker. */
export type DelegationToken = {
  readonly text: string;
  readonly step: OpenedStep;
  /** What it passes on. */
  readonly grant: Grant;
  /** Of its receiver. */
  readonly uid: number;
};

/** What a receiver opens with a token as soon as it has one: children with what they may have of all. */
export const HANDED_OVER: EventOf<"open"> = {
  ...{ kind: "open", by: 1, agent: 1, run: 1, step: 0, attempt: undefined, grant: [0, 1, 2, 3], audiences: [] },
  ...{ under: undefined, token: undefined, expiresInSeconds: undefined, leaseSeconds: undefined, executor: "any" },
  ...{
    requestId: undefined,
    allowPartial: true,
    principal: undefined,
    calls: undefined,
    acceptPending: true,
    approvals: 0,
  },
};

/** How a request to open names its parent: by the token, where there is one. */
export function parentNamed(parent: OpenedStep | undefined, token: DelegationToken | undefined) {
  if (token !== undefined) return { parentToken: token.text };
  return parent === undefined ? {} : { parentStepId: parent.stepId };
}
