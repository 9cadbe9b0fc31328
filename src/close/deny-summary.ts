import type { UnixSeconds } from "../domain/time.ts";
import type { DenyPart } from "../ports/ledger-reads.ts";

/** What one close, or several closes, denied to verifiers. */
export type DenySummary = {
  /** Whether anything is denied at all. */
  readonly isAny: boolean;
  readonly concernsAll: boolean;
  readonly audiences: ReadonlySet<string>;
  readonly latestExpiry: UnixSeconds;
};

export async function summaryOf(parts: AsyncIterable<DenyPart>): Promise<DenySummary> {
  let [isAny, concernsAll, latestExpiry] = [false, false, 0];
  const audiences = new Set<string>();
  for await (const { entries } of parts) {
    for (const entry of entries) {
      isAny = true;
      concernsAll ||= entry.concernsAll;
      latestExpiry = Math.max(latestExpiry, entry.latestExpiry);
      for (const audience of entry.audiences) audiences.add(audience);
    }
  }
  return { isAny, concernsAll, audiences, latestExpiry: latestExpiry as UnixSeconds };
}
