import { LIMITS } from "../../domain/limits.ts";
import { type Selector, selectorIfNameable } from "../../domain/selector.ts";
import type { JsonObject } from "../../domain/strict-json.ts";

/** What has a kind of its own, or is another one with every token. */
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
 * What a verified token says, as far as an entry could name it: issuer, subject, and the claims that are a text, a whole
 * number, true or false, or a list of texts. The elements of a list are a selector each.
 *
 * @returns `undefined` when there are more than `LIMITS.evidenceSelectorsMax`.
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
    // A colon in a name would let it pass for a shorter one with the rest in its value.
    if (NOT_CLAIMS_OF_A_WORKLOAD.includes(name) || name.includes(":")) continue;
    for (const value of textsOf(claim)) add("oidc:claim", `${name}:${value}`);
  }
  return selectors.size > LIMITS.evidenceSelectorsMax ? undefined : selectors;
}

function textsOf(claim: unknown): readonly string[] {
  if (typeof claim === "string") return [claim];
  // Beyond what a number holds exactly, two ids would read as one.
  if (typeof claim === "boolean" || Number.isSafeInteger(claim)) return [String(claim)];
  if (!Array.isArray(claim)) return [];
  return claim.every((one): one is string => typeof one === "string") ? claim : [];
}
