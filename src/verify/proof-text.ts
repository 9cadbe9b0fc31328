import { LIMITS } from "../domain/limits.ts";
import type { JsonObject } from "../domain/strict-json.ts";
import type { Refuse } from "./compact-jws.ts";
import { VerificationError } from "./verification-error.ts";

/** Longer than any UUID or random number in any encoding; a longer `jti` was made to cost memory. */
const JTI_LENGTH_MAX = 256;

/** The refusals of one kind of proof. */
export function proofInvalid(what: string): Refuse {
  return (expected) => new VerificationError("PROOF_INVALID", `not a ${what}: expected ${expected}`);
}

/** Checks a proof before anything of it is parsed. Two headers arrive as one text with a comma. */
export function checkProofBytes(text: string, refuse: Refuse): void {
  if (typeof text !== "string" || text.length > LIMITS.jwtPresentedBytesMax) {
    throw refuse(`a string of at most ${LIMITS.jwtPresentedBytesMax} characters`);
  }
  if (text.includes(",")) throw refuse("a single one");
}

/** The id by which a proof is remembered. RFC 9449 section 11.1. */
export function proofIdOf({ jti }: JsonObject, refuse: Refuse): string {
  if (typeof jti !== "string" || jti === "" || jti.length > JTI_LENGTH_MAX) {
    throw refuse(`jti as a string of at most ${JTI_LENGTH_MAX} characters`);
  }
  return jti;
}
