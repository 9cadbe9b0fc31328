import type { Log } from "../ports/log.ts";
import type { Condition } from "./readiness.ts";

const BEGINS: Readonly<Record<Condition["kind"], string>> = {
  suspension: "issuance is suspended",
  ledger: "the ledger can't record everything: issuance stands still",
  follower: "what is kept beside the ledger can't be relied on",
  authority: "not everything can be signed",
  judging: "open steps can't be judged anew",
};
const ENDS: Readonly<Record<Condition["kind"], string>> = {
  suspension: "a reason for suspending issuance is gone",
  ledger: "the ledger records again",
  follower: "what is kept beside the ledger is in step with it again",
  authority: "what could not be signed can be signed again",
  judging: "open steps are judged again",
};

/**
 * Tells the log when something begins to keep the broker from serving, and when it no longer does: once each.
 *
 * @returns to be called at intervals, with what holds then.
 */
export function conditionLines(log: Pick<Log, "warning" | "info">): (conditions: readonly Condition[]) => void {
  let told: ReadonlyMap<string, Condition> = new Map();
  return (conditions) => {
    const now = new Map(conditions.map((one) => [`${one.kind} ${one.key}`, one]));
    for (const [key, { kind, why }] of now) if (!told.has(key)) log.warning(BEGINS[kind], { why });
    for (const [key, { kind, why }] of told) if (!now.has(key)) log.info(ENDS[kind], { why });
    if (told.size > 0 && now.size === 0) log.info("everything is issued again");
    told = now;
  };
}
