import { BrokerError } from "../domain/errors.ts";
import { formatGrant, type Grant } from "../domain/grant.ts";

/**
 * A decision names the grant that was asked for and what was granted or refused of it, so one event of at most 64 KiB
 * holds the grant twice. A token holds 6 KiB in all.
 */
const ASKED_BYTES_MAX = 24 * 1_024;
/** The message of a refusal travels in trailers, twice, and some clients take no more than 8 KiB of trailers. */
const NAMED_CHARACTERS_MAX = 1_024;

/**
 * Refuses a grant too large to be recorded: a decision that leaves no trace must not be made.
 *
 * @throws BrokerError LIMIT_EXCEEDED
 */
export function checkAskedGrant(grant: Grant, field: string): void {
  if (Buffer.byteLength(JSON.stringify(grant)) <= ASKED_BYTES_MAX) return;
  throw new BrokerError("LIMIT_EXCEEDED", `${field}: at most ${ASKED_BYTES_MAX} bytes in all`);
}

/** Names refused elements, as many as a message can hold; the decision has them all. */
export function nameRefused(refused: Grant): string {
  const text = formatGrant(refused);
  return text.length <= NAMED_CHARACTERS_MAX
    ? text
    : `${text.slice(0, NAMED_CHARACTERS_MAX)}… (${refused.length} elements in all)`;
}
