import { LIMITS } from "../../domain/limits.ts";
import { type Selector, selectorIfNameable } from "../../domain/selector.ts";
import type { JsonObject } from "../../domain/strict-json.ts";

/** Claims that have a selector kind of their own, or another value in every token. */
const NOT_CLAIMS_OF_A_WORKLOAD: readonly string[] = [
  "iss",
  "sub",
  "exp",
  "nbf",
  "iat",
  "auth_time",
  "updated_at",
  "jti",
  "nonce",
];

/**
 * The selectors of a verified token, as far as an entry could name them: the issuer, the subject, and the claims whose
 * value is a text, a whole number, true or false, or a list of texts. Each element of a list is a selector.
 *
 * @returns `undefined` when there are more selectors than `LIMITS.evidenceSelectorsMax`.
 */
export function selectorsOf(claims: JsonObject): ReadonlySet<Selector> | undefined {
  const selectors = new Set<Selector>();
  function add(kind: string, value: string): void {
    const selector = selectorIfNameable(kind, value);
    if (selector !== undefined) selectors.add(selector);
  }
  for (const registered of ["iss", "sub"]) {
    const value = claims[registered];
    if (typeof value === "string") add(`oidc:${registered}`, value);
  }
  for (const [name, claim] of Object.entries(claims)) {
    // A claim with a colon in its name could pass for a claim with a shorter name and the rest in its value.
    if (NOT_CLAIMS_OF_A_WORKLOAD.includes(name) || name.includes(":")) continue;
    for (const value of textsOf(claim)) add("oidc:claim", `${name}:${value}`);
  }
  return selectors.size > LIMITS.evidenceSelectorsMax ? undefined : selectors;
}

function textsOf(claim: unknown): readonly string[] {
  if (typeof claim === "string") return [claim];
  // In numbers beyond the safe integers, two ids would read as one.
  if (typeof claim === "boolean" || Number.isSafeInteger(claim)) return [String(claim)];
  if (!Array.isArray(claim)) return [];
  return claim.every((one): one is string => typeof one === "string") ? claim : [];
}
