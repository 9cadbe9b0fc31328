import { BrokerError } from "../domain/errors.ts";
import type { ReceiptReport } from "../domain/replica-report.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Nodes } from "../ports/nodes.ts";
import type { Replicas } from "../ports/replicas.ts";
import type { Notifier } from "./notify.ts";
import type { ReceiptBook } from "./receipts.ts";

export type ReportPorts = {
  readonly replicas: Pick<Replicas, "report">;
  readonly nodes: Pick<Nodes, "attended" | "onChange">;
  readonly receipts: Pick<ReceiptBook, "report" | "onChange">;
  readonly notifier: Pick<Notifier, "following" | "subscribe">;
  readonly clock: Pick<Clock, "schedule">;
};

/** What changes at once is told at once: a close has many verifiers acknowledge. */
const FIRST_MS = 20;
/** Between two reports, and a millisecond more for each verifier in the last: a large report is told less often. */
const PAUSE_MS = 100;
/** Time alone changes something too: a verifier lapses, or what was left from before the start does. */
const IDLE_MS = 1_000;

/**
 * Tells the brokers that share the ledger where this one's verifiers stand, and which nodes are there.
 *
 * @returns ends it.
 */
export function keepReplicasTold({ replicas, nodes, receipts, notifier, clock }: ReportPorts): Cancel {
  let told = "";
  let isSoon = false;
  let isPausing = false;
  let cancel: Cancel = () => undefined;

  function tell(): void {
    isSoon = false;
    const stand = standing();
    const report = { nodes: nodes.attended(), ...(stand === undefined ? {} : { receipts: stand }) };
    const text = JSON.stringify(report);
    if (text !== told) replicas.report(report);
    told = text;
    isPausing = true;
    const size = stand === undefined ? 0 : stand.verifiers.length + stand.unknown.length;
    cancel = clock.schedule(PAUSE_MS + size, () => {
      isPausing = false;
      if (isSoon) tell();
      else cancel = clock.schedule(IDLE_MS, tell);
    });
  }

  /** `undefined` while it is not known which verifiers there are: nobody is to believe anything of them then. */
  function standing(): ReceiptReport | undefined {
    try {
      return receipts.report(notifier.following.position());
    } catch (thrown) {
      if (thrown instanceof BrokerError && thrown.code === "NOT_SERVING") return undefined;
      throw thrown;
    }
  }

  function tellSoon(): void {
    if (isSoon) return;
    isSoon = true;
    if (isPausing) return;
    cancel();
    cancel = clock.schedule(FIRST_MS, tell);
  }

  const ends = [nodes.onChange(tellSoon), receipts.onChange(tellSoon), notifier.subscribe(tellSoon).unsubscribe];
  tell();
  return () => {
    cancel();
    for (const end of ends) end();
  };
}
