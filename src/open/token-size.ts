import { BrokerError } from "../domain/errors.ts";
import { longestJwtSvidBytes } from "../domain/jwt-claims.ts";
import { LIMITS } from "../domain/limits.ts";
import type { PrincipalName } from "../domain/principal.ts";
import type { Step } from "../domain/step.ts";
import type { AuthorityDirectory } from "../ports/directories.ts";

/** Refuses a step whose tokens would be too large to travel. */
export type CheckTokenSize = (step: Step, principal?: PrincipalName) => void;

/**
 * Refuses a step whose tokens could not be minted, before the step is opened.
 *
 * @param hasStatus - whether tokens say where a status list has them.
 * @returns a function that throws BrokerError LIMIT_EXCEEDED, or AUTHORITY_UNAVAILABLE when no authority could sign the
 *   tokens
 */
export function tokenSizeCheck(
  issuer: string,
  authorities: Pick<AuthorityDirectory, "active">,
  hasStatus = false,
): CheckTokenSize {
  return (step, principal) => {
    const authority = authorities.active("jwt-svid");
    if (authority === undefined) {
      throw new BrokerError("AUTHORITY_UNAVAILABLE", "no authority for JWT-SVIDs is active");
    }
    const given = { hasStatus, ...(principal === undefined ? {} : { principal }) };
    if (longestJwtSvidBytes(issuer, authority.authorityId, step, given) > LIMITS.jwtMintedBytesMax) {
      throw new BrokerError(
        "LIMIT_EXCEEDED",
        `the step's tokens would be larger than ${LIMITS.jwtMintedBytesMax} bytes`,
      );
    }
  };
}
