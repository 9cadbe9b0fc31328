import { selectorIfNameable } from "../domain/selector.ts";
import { absolutePath, httpsUrl, list, listenAddress, section, serverCertificate, text, yesNo } from "./fields.ts";
import { checkIssuersApart, oidcIssuerKeys } from "./oidc-issuer.ts";

const CLUSTER = "a name of 1 to 128 letters, digits, '.', '_' and '-'";

/** One issuer whose tokens are evidence. */
const oidcIssuer = section({
  ...oidcIssuerKeys({
    fallback: true,
    description: "A token counts once. False for those that their workload can't ask for anew, as projected ones.",
  }),
  jwks_file: absolutePath()
    .optional()
    .describe("JSON Web Key Set of its keys, so that the issuer is never asked; read again when it changes."),
  jwks_uri: httpsUrl().optional().describe("Where its keys are. Absent, as jwks_file: OIDC discovery tells."),
  kubernetes_cluster: text(CLUSTER)
    .refine(isClusterName, { error: `expected ${CLUSTER}` })
    .optional()
    .describe(
      "The issuer is the API server of this cluster: its tokens are those projected into pods, and give selectors k8s:….",
    ),
}).superRefine(({ jwks_file, jwks_uri }, context) => {
  if (jwks_file !== undefined && jwks_uri !== undefined) context.addIssue("expected one of jwks_file and jwks_uri");
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
  .superRefine(({ oidc }, context) => checkIssuersApart("oidc", oidc, context));

function isClusterName(name: string): boolean {
  return selectorIfNameable("k8s:cluster", name) !== undefined;
}
