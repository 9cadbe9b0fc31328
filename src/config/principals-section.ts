import { LIMITS } from "../domain/limits.ts";
import { list, section, text } from "./fields.ts";
import { checkIssuersApart, oidcIssuerKeys } from "./oidc-issuer.ts";

const CLAIM = `a claim's name of 1 to ${LIMITS.principalClaimNameBytesMax} bytes without control characters; not iss or sub, which are always kept`;
const NAME = /^[\P{C}]+$/u;

const claimName = text(CLAIM).refine(
  (name) =>
    NAME.test(name) && Buffer.byteLength(name) <= LIMITS.principalClaimNameBytesMax && !["iss", "sub"].includes(name),
  { error: `expected ${CLAIM}` },
);

/** Whom steps may work for, by whose tokens. */
export const principalsSection = section({
  issuers: list(
    section({
      ...oidcIssuerKeys({
        fallback: false,
        description: "A token counts once. False: it opens steps as long as it is valid.",
      }),
      claims: list(claimName, "names of claims")
        .refine((names) => names.length <= LIMITS.principalClaimsMax, {
          error: `expected at most ${LIMITS.principalClaimsMax}`,
        })
        .prefault([])
        .describe("Claims that are kept beside iss and sub, sealed: those that policies look at, and no others."),
    }),
    "issuers",
  )
    .prefault([])
    .describe("Issuers whose tokens say whom a step works for. None: no step can name a principal."),
}).superRefine(({ issuers }, context) => checkIssuersApart("issuers", issuers, context));
