import { BrokerError } from "../../domain/errors.ts";
import type { ReachClosureAct, ReachClosureResult } from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, read, recorded } from "../rule.ts";

export function* reachClosure({ closedSequence, now }: ReachClosureAct): Deliberation<ReachClosureResult> {
  const { closure } = yield* ask({ closure: read("closure", closedSequence) });
  if (closure === undefined) throw new BrokerError("STEP_NOT_FOUND", "no step was closed by this event");
  const { reachedAt } = closure;
  if (reachedAt !== undefined) return answered({ kind: "sequenced", sequence: 0, reachedAt });
  const event = { type: "closure.reached", v: 1, at: now, closedSequence } as const;
  return recorded([event], (sequence) => ({ kind: "sequenced", sequence, reachedAt: now }));
}
