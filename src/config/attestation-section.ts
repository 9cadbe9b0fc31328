import { parseIssuerUrl } from "../domain/selector.ts";
import { absolutePath, accepted, list, listenAddress, section, serverCertificate, text, yesNo } from "./fields.ts";

const AUDIENCE = "a text that is not empty, e.g. the broker's own URL";

/** One issuer whose tokens are evidence. */
const oidcIssuer = section({
  issuer: accepted(parseIssuerUrl, "an https URL without query, exactly as in the tokens' iss").describe(
    "Issuer of the tokens; its keys are found by OIDC discovery.",
  ),
  audience: text(AUDIENCE)
    .refine((audience) => audience !== "", { error: `expected ${AUDIENCE}` })
    .describe("What the tokens must be for: the broker, and nothing else that takes tokens of this issuer."),
  single_use: yesNo()
    .prefault(true)
    .describe("A token counts once. False for those that their workload can't ask for anew, as projected ones."),
  roots: absolutePath()
    .optional()
    .describe("PEM file of the CAs that vouch for the issuer's host. Absent: the public ones."),
});

/** The attestation endpoint, for runtimes, verifiers and operators that no unix socket reaches. */
export const attestationSection = section({
  listen: listenAddress().describe("Address and port of the attestation endpoint."),
  tls: serverCertificate().optional().describe("Server certificate; TLS 1.3."),
  own_svid: yesNo()
    .prefault(false)
    .describe("TLS with the broker's own X.509-SVID (/stint/server) instead, for clients that have the bundle."),
  oidc: list(oidcIssuer, "issuers").prefault([]).describe("Issuers whose tokens are evidence."),
  x509pop: section({
    ca: absolutePath().describe("PEM file of the CA certificates that are trusted for it; read again when it changes."),
  })
    .optional()
    .describe("Certificates of a CA are evidence, with the proof of their key. Absent: they are not."),
  join_token: yesNo().prefault(true).describe("Join tokens that operators make are evidence."),
})
  .superRefine(({ tls, own_svid }, context) => {
    if ((tls !== undefined) === own_svid) context.addIssue("expected one of tls and own_svid: true");
  })
  .superRefine(({ oidc, x509pop, join_token }, context) => {
    if (oidc.length > 0 || x509pop !== undefined || join_token) return;
    context.addIssue("expected oidc, x509pop or join_token: true, or nobody could be attested");
  })
  .superRefine(({ oidc }, context) => {
    const seen = new Set<string>();
    for (const [index, { issuer }] of oidc.entries()) {
      if (seen.has(issuer)) {
        const message = "expected one that is not listed before";
        context.addIssue({ code: "custom", path: ["oidc", index, "issuer"], message });
      }
      seen.add(issuer);
    }
  });
