import { invalidField } from "./errors.ts";
import { LIMITS } from "./limits.ts";
import { isShowable } from "./showable-text.ts";
import type { JsonObject } from "./strict-json.ts";

/** Whom a step works for, a human or a service, as the issuer of their tokens names them. */
export type PrincipalName = { readonly iss: string; readonly sub: string };

/** A fraction is none of these: what policies compare are whole numbers. */
export type ClaimValue = string | number | boolean | readonly string[];

/** A principal as far as its key is there. The claims are data that somebody else chose: not to be trusted as text. */
export type KnownPrincipal = PrincipalName & {
  readonly principalId: string;
  readonly claims: Readonly<Record<string, ClaimValue>>;
};

/** A principal as the ledger holds it: nobody reads a name out of it without the salt, or the principal's key. */
export type RecordedPrincipal = {
  /** A digest of issuer and subject under the broker's salt, hexadecimal. */
  readonly principalId: string;
  /** Issuer, subject and claims, as the vault sealed them. */
  readonly sealed: string;
};

/** A principal who is known, with what the ledger holds of them. */
export type SealedPrincipal = KnownPrincipal & RecordedPrincipal;

/** What is asked of whoever bars a principal ahead: nothing else would tell a mistyped name. */
export const BAR_AHEAD = "true, for a principal whom no step ever named";

/**
 * Checks the name of a principal.
 *
 * @param field - of the request that has the name.
 * @throws BrokerError INVALID_FIELD
 */
export function checkPrincipalName({ iss, sub }: Record<keyof PrincipalName, unknown>, field: string): PrincipalName {
  const issuer = showable(iss, LIMITS.uriBytesMax);
  const subject = showable(sub, LIMITS.principalSubjectBytesMax);
  if (issuer !== undefined && subject !== undefined) return { iss: issuer, sub: subject };
  throw invalidField(
    field,
    `an iss, and a sub of 1 to ${LIMITS.principalSubjectBytesMax} bytes, both without control characters`,
  );
}

function showable(text: unknown, bytesMax: number): string | undefined {
  return typeof text === "string" && text !== "" && isShowable(text, bytesMax) ? text : undefined;
}

/**
 * The claims of a token that are kept of its principal. A claim that is absent or `null` is left out. A claim that
 * can't be kept as it is, is refused: left out, it would slip past a policy that forbids by its value.
 *
 * @param names - the claims that are kept.
 * @throws BrokerError INVALID_FIELD `principal_token`
 */
export function claimsKept(claims: JsonObject, names: readonly string[]): KnownPrincipal["claims"] {
  const kept: [string, ClaimValue][] = [];
  for (const name of names) {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
    if (value === undefined || value === null) continue;
    if (!isClaimValue(value)) {
      throw invalidField(
        "principal_token",
        `the claim ${name} as a text, a whole number, true or false, or a list of at most ${LIMITS.principalClaimListMax} texts`,
      );
    }
    kept.push([name, value]);
  }
  const values = Object.fromEntries(kept);
  if (Buffer.byteLength(JSON.stringify(values)) > LIMITS.principalClaimsBytesMax) {
    throw invalidField(
      "principal_token",
      `the claims that are kept in at most ${LIMITS.principalClaimsBytesMax} bytes`,
    );
  }
  return values;
}

function isClaimValue(value: unknown): value is ClaimValue {
  if (typeof value === "boolean" || Number.isSafeInteger(value)) return true;
  if (isWhole(value)) return true;
  return Array.isArray(value) && value.length <= LIMITS.principalClaimListMax && value.every(isWhole);
}

function isWhole(value: unknown): value is string {
  return typeof value === "string" && value.isWellFormed();
}
