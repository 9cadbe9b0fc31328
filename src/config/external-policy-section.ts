import type { z } from "zod";
import { POLICY_MEMBERS, POLICY_MEMBERS_DEFAULT, type PolicyMember } from "../domain/policy-members.ts";
import { absolutePath, duration, isLoopback, list, oneOf, section, text, yesNo } from "./fields.ts";

/** An OPA server, and what it is asked. */
export type OpaConfig = {
  /** Origin: https, or http with a loopback address. */
  readonly url: string;
  /** Of the decision, below `data`. */
  readonly path: string;
  readonly send: readonly PolicyMember[];
  readonly timeoutSeconds: number;
  /** Paths of PEM files. */
  readonly tls: {
    readonly ca?: string;
    readonly client?: { readonly certificate: string; readonly privateKey: string };
  };
  /** Path of a file with a bearer token. */
  readonly tokenFile?: string;
  readonly insteadOfCedar: boolean;
};

/** The engine of policies outside of the broker. */
export type ExternalPolicyConfig = { readonly opa: OpaConfig };

/** Whoever opens a step waits for it; what takes longer has gone wrong. */
const TIMEOUT_SECONDS_MAX = 10;
const UNPRIVILEGED_PORT = 1_024;
const PATH = /^[A-Za-z_][A-Za-z0-9_]{0,63}(?:\/[A-Za-z_][A-Za-z0-9_]{0,63}){0,7}$/;
const URL_EXPECTED =
  "an https URL of scheme, host and port alone, e.g. https://opa.example.org:8181, or http with a loopback address, e.g. http://127.0.0.1:8181";

const opa = section({
  url: text(URL_EXPECTED)
    .refine(isOpaUrl, { error: `expected ${URL_EXPECTED}` })
    .describe("Where OPA answers: TLS, or this machine alone."),
  path: text("a path of Rego names, e.g. stint/decision")
    .refine((path) => PATH.test(path), { error: "expected a path of Rego names, e.g. stint/decision" })
    .prefault("stint/decision")
    .describe("Package and rule that is the decision, with / between them."),
  send: list(oneOf(POLICY_MEMBERS), `members of a request: ${POLICY_MEMBERS.join(", ")}`)
    .prefault([...POLICY_MEMBERS_DEFAULT])
    .describe("What OPA is told of a request. A member that is not sent is undefined to a policy."),
  timeout: duration()
    .refine((seconds) => Number.isInteger(seconds) && seconds >= 1 && seconds <= TIMEOUT_SECONDS_MAX, {
      error: `expected 1s to ${TIMEOUT_SECONDS_MAX}s`,
    })
    .prefault("2s")
    .describe("How long an answer may take; where there is none, nothing is permitted."),
  tls: section({
    ca: absolutePath()
      .optional()
      .describe("PEM file of the CA certificates that vouch for OPA's host. Absent: those that Node.js has."),
    certificate: absolutePath().optional().describe("PEM file of the certificate that OPA is shown."),
    private_key: absolutePath().optional().describe("PEM file of the certificate's private key."),
  })
    .optional()
    .describe("How OPA and the broker recognise each other over https."),
  token_file: absolutePath()
    .optional()
    .describe("File with the bearer token that OPA is shown; readable for the broker's user alone."),
  instead_of_cedar: yesNo()
    .prefault(false)
    .describe("OPA decides alone. Otherwise OPA and the broker's own policies both have to allow."),
})
  .superRefine(({ send }, context) => {
    if (new Set(send).size !== send.length) custom(context, "send", "expected no member twice");
    if (send.includes("elements")) return;
    custom(context, "send", "expected elements among them: OPA answers for each of them");
  })
  .superRefine(({ url, tls }, context) => {
    if (tls === undefined) return;
    if (!url.startsWith("https:")) custom(context, "tls", "expected an https url with it");
    if ((tls.certificate === undefined) !== (tls.private_key === undefined)) {
      custom(context, "tls", "expected certificate and private_key, or neither");
    }
  });

/** `policies.external`: an engine of policies outside of the broker. */
export const externalPolicySection = section({
  opa: opa.describe("An OPA server, asked by its Data API for each decision."),
});

function custom(context: z.RefinementCtx, key: string, message: string): void {
  context.addIssue({ code: "custom", path: [key], message });
}

function isOpaUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.origin !== text) return false;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(host));
}

/**
 * What is permitted, and yet worth a warning: plain HTTP recognises nobody, and a port that needs no privilege is free for
 * whoever takes it first.
 */
export function externalPolicyWarnings({
  opa: { url },
}: z.output<typeof externalPolicySection>): readonly { readonly path: readonly string[]; readonly message: string }[] {
  const { protocol, port } = new URL(url);
  if (protocol === "https:" || port === "" || Number(port) < UNPRIVILEGED_PORT) return [];
  const message =
    "while OPA is down, any program of this machine may listen there and decide; use https, or a port below 1024";
  return [{ path: ["opa", "url"], message }];
}

/** What the file says, in the words of the broker. */
export function externalPolicyOf({ opa }: z.output<typeof externalPolicySection>): ExternalPolicyConfig {
  const { url, path, send, timeout, tls = {}, token_file, instead_of_cedar } = opa;
  const { ca, certificate, private_key: privateKey } = tls;
  return {
    opa: {
      url,
      path,
      send,
      timeoutSeconds: timeout,
      tls: {
        ...(ca === undefined ? {} : { ca }),
        ...(certificate === undefined || privateKey === undefined ? {} : { client: { certificate, privateKey } }),
      },
      ...(token_file === undefined ? {} : { tokenFile: token_file }),
      insteadOfCedar: instead_of_cedar,
    },
  };
}
