import { type Closure, ClosureState, ReceiptState } from "../gen/stint/v1/types_pb.js";
import { clockOf, msOf } from "./receipts-sentence.ts";

/**
 * How far it is certain that nobody accepts what a step held, in one line:
 * `PARTIAL: mcp-2 has not applied it; acceptable until 03:12:40 at the latest`.
 *
 * @param now - milliseconds since 1970.
 */
export function closureSentence(closure: Closure, now: number): string {
  const { state, places, verifiers, exchanges } = closure;
  const latest = msOf(closure.latestPossibleAcceptance);
  if (state === ClosureState.CLOSED) return `CLOSED: nobody accepts what it held since ${clockOf(latest, now)}`;
  const parts = places
    .filter((one) => one.state === ClosureState.UNKNOWN)
    .map(({ audience }) =>
      audience === ""
        ? "credentials without an audience are accepted wherever the bundle is"
        : `nobody watches ${audience}`,
    );
  const silent = verifiers
    .filter((one) => one.state === ReceiptState.PENDING || one.state === ReceiptState.DISCONNECTED)
    .map(({ verifier }) => verifier);
  if (silent.length > 0) parts.push(`not applied by ${silent.join(", ")}`);
  parts.push(...exchanges.map(({ exchangeId, target }) => `${target} has not confirmed the end of ${exchangeId}`));
  if (latest > now) parts.push(`acceptable until ${clockOf(latest, now)} at the latest`);
  // A state that is not known here is none that one could rely on.
  return `${state === ClosureState.PARTIAL ? "PARTIAL" : "UNKNOWN"}: ${parts.join("; ")}`;
}
