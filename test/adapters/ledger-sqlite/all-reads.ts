import type { UnixMicros } from "../../../src/domain/time.ts";
import type { OpenedLedger } from "../../../src/ports/ledger.ts";
import type { DenyEntry } from "../../../src/ports/ledger-reads.ts";

const ALL = 10_000;

/** What everybody who asks is answered, the events themselves aside; as JSON has it, bytes in hexadecimal. */
export async function allReads(store: OpenedLedger, now: UnixMicros): Promise<unknown> {
  const { projections, history, feed, ledger, policies } = store;
  const head = ledger.head();
  const denied: DenyEntry[] = [];
  for await (const { entries } of feed.denied(0, head.sequence)) denied.push(...entries);
  const reads = {
    head,
    openSteps: (await projections.openSteps()).value,
    entries: (await projections.entries()).value,
    authorities: (await projections.authorities()).value,
    federations: (await projections.federations()).value,
    receipts: (await projections.receipts()).value,
    steps: await history.steps({ limit: ALL }),
    issuances: await history.issuances({ now, limit: ALL }),
    decisions: await history.decisions({ limit: ALL }),
    callApprovals: await history.callApprovals({ now, limit: ALL }),
    exchanges: await history.exchanges({ now, limit: ALL }),
    usage: await history.usage({ limit: ALL }),
    denied,
    policySets: await policies.policySets(),
    policyActivation: await policies.policyActivation(),
  };
  const hex = (_name: string, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
  return JSON.parse(JSON.stringify(reads, hex));
}
