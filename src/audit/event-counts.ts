import type { LedgerEvent } from "../domain/ledger-event.ts";

/** How much of what was recorded since the start, by label; every set of labels is closed. */
export type EventCounts = {
  /** Credentials issued, by kind. */
  readonly issued: ReadonlyMap<string, number>;
  /** Credentials revoked that had not expired. */
  revoked(): number;
  /** Steps closed, by the state in which the step ended that was closed; those below it count with it. */
  readonly closed: ReadonlyMap<string, number>;
  /** Calls of tools that were asked about and allowed; those that were denied are among the denials. */
  callsAllowed(): number;
  /** Denials, by the act that was refused and the reason, with a space between. */
  readonly denied: ReadonlyMap<string, number>;
  /** Open steps that were judged anew: `permitted`, or `closed` by policy; those below them are not counted. */
  readonly judged: ReadonlyMap<string, number>;
  /** Secrets of other systems, by what became of them: `issued`, `failed`, `unknown`; and then `told` or `lapsed`. */
  readonly exchanges: ReadonlyMap<string, number>;
  take(event: LedgerEvent): void;
};

/** Counts what is recorded. An event costs an addition: the hot path waits for its followers. */
export function createEventCounts(): EventCounts {
  const [issued, closed, denied] = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()];
  const [judged, exchanges] = [new Map<string, number>(), new Map<string, number>()];
  let revoked = 0;
  let callsAllowed = 0;
  const add = (to: Map<string, number>, label: string, count: number) => to.set(label, (to.get(label) ?? 0) + count);

  return {
    issued,
    closed,
    denied,
    judged,
    exchanges,
    revoked: () => revoked,
    callsAllowed: () => callsAllowed,
    take(event) {
      switch (event.type) {
        case "issuance.recorded":
          add(issued, event.issuance.kind, 1);
          return;
        case "issuance.revoked":
          revoked += 1;
          return;
        case "step.closed":
          add(closed, event.state, event.count);
          revoked += event.revoked;
          if (event.decisionId !== undefined) add(judged, "closed", 1);
          return;
        case "steps.judged":
          add(judged, "permitted", event.stepIds.length);
          return;
        case "exchange.answered": {
          const { outcome } = event;
          add(exchanges, outcome.kind === "failed" && outcome.mayExist ? "unknown" : outcome.kind, 1);
          return;
        }
        case "exchange.ended":
          add(exchanges, event.ending, 1);
          return;
        case "authority.tainted":
          revoked += event.count;
          return;
        case "decision.made": {
          const { act, effect, reason, count } = event.decision;
          if (act === "call" && effect === "allow") callsAllowed += 1;
          if (effect === "deny") add(denied, `${act} ${reason ?? ""}`, count);
          return;
        }
        default:
      }
    },
  };
}
