import { ReceiptState, type Receipts } from "../gen/stint/v1/types_pb.js";
import type { Timestamp } from "../wire/timestamps.ts";

const DAY_MS = 86_400_000;

/**
 * Who applied a close, in one line: `applied 3 of 4; mcp-2 silent; acceptable there until 03:12:40`.
 *
 * @param now - milliseconds since 1970; an instant before this one is not worth a word.
 */
export function receiptsSentence(receipts: Receipts, now: number): string {
  const inState = (...states: readonly ReceiptState[]) =>
    receipts.verifiers.filter((one) => states.includes(one.state));
  const lapsed = inState(ReceiptState.LAPSED);
  // A verifier in a state not known here has not said that it applied anything.
  const silent = receipts.verifiers.filter((one) => one.state !== ReceiptState.APPLIED && !lapsed.includes(one));
  const latest = msOf(receipts.latestPossibleAcceptance);
  // No credential is accepted past its own expiry, however stale a verifier may be.
  const silentUntil = Math.min(latest, Math.max(...silent.map((one) => msOf(one.lapsesAt))));

  const parts = [
    receipts.expected === 0 ? "no verifier concerned" : `applied ${receipts.applied} of ${receipts.expected}`,
  ];
  if (lapsed.length > 0) parts.push(`${namesOf(lapsed)} lapsed`);
  if (silent.length > 0) parts.push(`${namesOf(silent)} silent`);
  if (silentUntil > now) parts.push(`acceptable there until ${clockOf(silentUntil, now)}`);
  // Where nobody watches, a credential is good until it expires.
  if (latest > now && latest > silentUntil) {
    parts.push(`acceptable where nobody listens until ${clockOf(latest, now)}`);
  }
  return parts.join("; ");
}

function namesOf(verifiers: Receipts["verifiers"]): string {
  return verifiers.map((one) => one.verifier).join(", ");
}

export function msOf(timestamp: Timestamp | undefined): number {
  return timestamp === undefined ? Number.NEGATIVE_INFINITY : Number(timestamp.seconds) * 1_000 + timestamp.nanos / 1e6;
}

/** The time of day here, as on the reader's own clock; with the date when it is a day away or more. */
export function clockOf(ms: number, now: number): string {
  const at = new Date(ms);
  const two = (value: number) => String(value).padStart(2, "0");
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  if (ms - now < DAY_MS) return time;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}
