import type { z } from "zod";
import { parseIssuerUrl } from "../domain/selector.ts";
import { absolutePath, accepted, text, yesNo } from "./fields.ts";

const AUDIENCE = "a text that is not empty, e.g. the broker's own URL";

/** The keys of an issuer whose tokens are believed. */
export function oidcIssuerKeys(singleUse: { readonly fallback: boolean; readonly description: string }) {
  return {
    issuer: accepted(parseIssuerUrl, "an https URL without query, exactly as in the tokens' iss").describe(
      "Issuer of the tokens; its keys are found by OIDC discovery.",
    ),
    audience: text(AUDIENCE)
      .refine((audience) => audience !== "", { error: `expected ${AUDIENCE}` })
      .describe("What the tokens must be for: the broker, and nothing else that takes tokens of this issuer."),
    single_use: yesNo().prefault(singleUse.fallback).describe(singleUse.description),
    roots: absolutePath()
      .optional()
      .describe("PEM file of the CAs that vouch for the issuer's host. Absent: the public ones."),
  };
}

/** A second entry of one issuer would never be looked at. */
export function checkIssuersApart(
  key: string,
  issuers: readonly { readonly issuer: string }[],
  context: z.core.$RefinementCtx,
): void {
  const seen = new Set<string>();
  for (const [index, { issuer }] of issuers.entries()) {
    if (seen.has(issuer)) {
      const message = "expected one that is not listed before";
      context.addIssue({ code: "custom", path: [key, index, "issuer"], message });
    }
    seen.add(issuer);
  }
}
