import { z } from "zod";
import { BrokerError } from "../domain/errors.ts";
import { checkResourceUri } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import { parseTrustDomain } from "../domain/spiffe-id.ts";
import { attestationSection } from "./attestation-section.ts";
import { brokerSection } from "./broker-section.ts";
import { closuresSection } from "./closures-section.ts";
import { consoleSection } from "./console-section.ts";
import { entrySchema } from "./entry-schema.ts";
import { exchangesSection } from "./exchanges-section.ts";
import { federationSection } from "./federation-section.ts";
import {
  absolutePath,
  accepted,
  duration,
  hostName,
  isLoopback,
  LOOPBACK_NAMES,
  list,
  listenAddress,
  oneOf,
  section,
  serverCertificate,
  socketMode,
  socketPath,
  text,
  whole,
  yesNo,
} from "./fields.ts";
import { ledgerSection } from "./ledger-section.ts";
import { natsSection } from "./nats-section.ts";
import { policiesSection } from "./policies-section.ts";
import { principalsSection } from "./principals-section.ts";
import { retentionSection } from "./retention-section.ts";
import { ssfSection } from "./ssf-section.ts";
import { standbySection } from "./standby-section.ts";
import { toolsSection } from "./tools-section.ts";
import { tracingSection } from "./tracing-section.ts";

export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace"] as const;

/** More processes than a machine has cores only take turns. */
const WORKERS_MAX = 64;
/** Keys are for years at most: a key that nobody remembers is a key that nobody guards. */
const AUTHORITY_DAYS_MAX = 3_650;
/** In less time a verifier on the feed would have the key; a verifier that fetches bundles would not. */
const PROPAGATION_SECONDS_MIN = 60;
/** Half of the shortest life that a key can have. */
const PROPAGATION_SECONDS_MAX = 43_200;

/** One HTTP listener: where, how it is protected, and the names it answers to. */
function listener(listen: { readonly fallback: string; readonly serves: string }) {
  return section({
    listen: listenAddress().prefault(listen.fallback).describe(`Address and port of ${listen.serves}.`),
    tls: serverCertificate().optional().describe("Server certificate; TLS 1.2 or later."),
    own_svid: yesNo()
      .prefault(false)
      .describe("TLS with the broker's own X.509-SVID (/stint/server) instead, for clients that have the bundle."),
    plain_on_loopback: yesNo()
      .prefault(false)
      .describe("Serve plain HTTP instead, to this machine alone: behind a proxy, or for development."),
    hosts: list(hostName(), "host names")
      .prefault([])
      .describe("Names that clients may use for it, beside its own address. Any other Host is refused."),
  })
    .superRefine((http, context) => {
      const ways = [http.tls !== undefined, http.own_svid, http.plain_on_loopback].filter((is) => is).length;
      if (ways === 1) return;
      context.addIssue(
        ways === 0
          ? "expected tls, own_svid: true, or plain_on_loopback: true"
          : "expected one of tls, own_svid and plain_on_loopback, not several",
      );
    })
    .superRefine((http, context) => {
      if (!http.plain_on_loopback || isLoopback(http.listen.host)) return;
      context.addIssue({
        code: "custom",
        path: ["listen"],
        message: "expected a loopback address, or tls: plain HTTP is for this machine alone",
      });
    });
}

/** What stint.yaml may say. Descriptions are what docs/settings.md says. */
export const fileSchema = section({
  trust_domain: accepted(parseTrustDomain, "a trust domain in lower case, e.g. example.org").describe(
    "Name that every SPIFFE ID begins with. It can't be changed later: all identities would be others.",
  ),
  issuer: accepted(parseIssuer, "an https URL without trailing slash, e.g. https://stint.example.org").describe(
    "URL at which verifiers find the keys of JWT-SVIDs (OIDC discovery); the `iss` of every token.",
  ),
  data_directory: absolutePath()
    .prefault("/var/lib/stint")
    .describe("Directory of keys, ledger and checkpoint; made with mode 0700 where it is missing."),
  workload: section({
    socket: socketPath()
      .prefault("/run/stint/workload.sock")
      .describe("Unix socket for runtimes, agents and verifiers."),
    mode: socketMode()
      .prefault("0666")
      .describe("Who may connect to it. Connecting gives nothing: the kernel says who a caller is."),
    crl_on_streams: yesNo()
      .prefault(false)
      .describe("Send CRLs on the streams of the SPIFFE Workload API too; no client that is known reads them."),
  }).prefault({}),
  operator: section({
    socket: socketPath().prefault("/run/stint/operator.sock").describe("Unix socket for operators."),
    group: z
      .union([z.string(), z.number()], { error: "expected a group's name or id" })
      .optional()
      .describe("Group whose members may connect too (mode 0660); without it the broker's own user alone (0600)."),
  }).prefault({}),
  http: listener({ fallback: "127.0.0.1:8443", serves: "OIDC discovery, JWKS and the SPIFFE bundle" })
    .optional()
    .describe("Public keys for verifiers. Absent: not served."),
  operations: listener({ fallback: "127.0.0.1:8444", serves: "/livez, /readyz and /metrics" })
    .optional()
    .describe("Health and metrics. Absent: not served."),
  console: consoleSection
    .optional()
    .describe("The operators' web page, at /console of the operations listener. Absent: not served."),
  broker: brokerSection.optional().describe("SPIFFE Broker Endpoint for runtimes. Absent: not served."),
  nodes: section({
    listen: listenAddress().describe("Address and port for `stint node`, with mutual TLS."),
  })
    .optional()
    .describe("Agents of machines without a broker, as entries of kind node. Absent: not served."),
  attestation: attestationSection
    .optional()
    .describe("Identities by evidence, for workloads that no unix socket reaches. Absent: not served."),
  limits: section({
    open_steps: whole(1, 1_000_000)
      .prefault(LIMITS.openStepsPerRuntimeDefault)
      .describe("Open steps of a runtime whose entry does not say how many."),
    connections_per_uid: whole(1, 100_000)
      .prefault(LIMITS.connectionsPerUidMax)
      .describe("Connections of one user to the workload socket."),
    watchers: whole(1, 100_000).prefault(LIMITS.watchersMax).describe("Verifiers and runtimes on the revocation feed."),
  }).prefault({}),
  workers: whole(0, WORKERS_MAX)
    .prefault(0)
    .describe(
      "Processes beside the ledger's that take callers of the workload socket; 0: one process serves everybody.",
    ),
  ledger: ledgerSection,
  standby: standbySection
    .optional()
    .describe("The broker of whose ledger stintd standby keeps a copy here. stintd run does not look at it."),
  log: section({
    level: oneOf(LOG_LEVELS)
      .prefault("info")
      .describe("What is written to standard error, and everything more severe."),
  }).prefault({}),
  tracing: tracingSection.optional().describe("OpenTelemetry traces of what the broker does. Absent: none."),
  authority: section({
    x509_authority_days: whole(1, AUTHORITY_DAYS_MAX).prefault(365).describe("Life of a key that signs X.509-SVIDs."),
    jwt_authority_days: whole(1, AUTHORITY_DAYS_MAX).prefault(365).describe("Life of a key that signs JWT-SVIDs."),
    prepare_at_percent: whole(1, 99)
      .prefault(50)
      .describe("Share of a key's life after which the next one is made and published."),
    propagation: duration()
      .refine((seconds) => seconds >= PROPAGATION_SECONDS_MIN && seconds <= PROPAGATION_SECONDS_MAX, {
        error: "expected 1m to 12h",
      })
      .prefault("15m")
      .describe("How long a key is published before it signs, so that every verifier has it by then."),
  }).prefault({}),
  wit_svid: yesNo()
    .prefault(true)
    .describe("Serve the WIT-SVID profile of the SPIFFE Workload API, which is still incubating."),
  status_lists: yesNo()
    .prefault(false)
    .describe(
      "JWT-SVIDs name their place in an OAuth Token Status List, served at /status: for verifiers that poll. Each token is longer by 150 bytes.",
    ),
  ssf: ssfSection.prefault({}),
  nats: natsSection
    .optional()
    .describe("NATS, on which the deny-list is told to verifiers that are too many for one broker. Absent: nobody."),
  key_manager: section({
    pkcs11: section({
      module: absolutePath().describe("Shared library of the module."),
      token_label: text("the token's label").describe("Label of the token, which is this broker's alone."),
      pin_file: absolutePath()
        .optional()
        .describe("File of mode 0600 with the PIN of the token's user. Absent: the variable STINT_PKCS11_PIN."),
    })
      .optional()
      .describe(
        "Private keys are made in a PKCS #11 token and never leave it. Absent: in files of the data directory.",
      ),
  }).prefault({}),
  upstream_authority: section({
    disk: section({
      certificate: absolutePath().describe(
        "PEM file of the CA's certificate and those above it, the root last; or PKCS #12, of mode 0600, with all of them and the private key.",
      ),
      private_key: absolutePath().optional().describe("PEM file of the CA's private key, of mode 0600."),
      passphrase_file: absolutePath()
        .optional()
        .describe("File of mode 0600 with the passphrase of a certificate in PKCS #12."),
    })
      .superRefine(({ private_key, passphrase_file }, context) => {
        if ((private_key === undefined) !== (passphrase_file === undefined)) return;
        const [path, message] =
          private_key === undefined
            ? ["private_key", "missing; expected an absolute path, or passphrase_file for PKCS #12"]
            : ["passphrase_file", "expected this or private_key, not both"];
        context.addIssue({ code: "custom", path: [path], message });
      })
      .optional()
      .describe("A CA that certifies the one of this broker; its root is what verifiers trust. Absent: no other CA."),
  }).prefault({}),
  federation: federationSection.prefault({}),
  principals: principalsSection.prefault({}),
  policies: policiesSection.prefault({}),
  approvals: section({
    expiry: duration()
      .refine((seconds) => seconds >= LIMITS.approvalSecondsMin && seconds <= LIMITS.approvalSecondsMax, {
        error: "expected 30s to 1d",
      })
      .prefault("10m")
      .describe(
        "How long a step, or a call, waits for its approval; after that it is refused. An approved call may be made for as long.",
      ),
  }).prefault({}),
  tools: toolsSection.prefault({}),
  closures: closuresSection.prefault({}),
  retention: retentionSection
    .optional()
    .describe(
      "For how long the log keeps what its events say; their hashes stay for good, and what is alive or held is kept. Absent: 90d for each class of a ledger that began with a version that prunes; an older one is kept whole.",
    ),
  exchanges: exchangesSection
    .prefault([])
    .describe("Other systems whose secrets steps may be given (stint exchange). None: no step is given any."),
  development: yesNo()
    .prefault(false)
    .describe("Permits a plain-HTTP issuer on loopback, and agents under the broker's own user. Never in production."),
  entries: list(entrySchema, "registration entries")
    .prefault([])
    .describe("Registration entries that this file declares."),
}).superRefine((file, context) => {
  const overHttp = [
    { path: ["status_lists"], is: file.status_lists },
    { path: ["ssf", "transmit"], is: file.ssf.transmit },
    { path: ["ssf", "receive"], is: file.ssf.receive.length > 0 },
    { path: ["nats"], is: file.nats !== undefined },
  ];
  for (const { path } of overHttp.filter(({ is }) => is && file.http === undefined)) {
    context.addIssue({ code: "custom", path, message: "expected http too, which serves this" });
  }
  if (file.standby !== undefined && file.ledger.postgres !== undefined) {
    const message = "expected none with ledger.postgres: a standby of that ledger is PostgreSQL's own";
    context.addIssue({ code: "custom", path: ["standby"], message });
  }
  if (file.console !== undefined && file.operations === undefined) {
    context.addIssue({ code: "custom", path: ["console"], message: "expected operations too, which serves this" });
  }
  const below = (path: readonly string[], listed: readonly { readonly issuer: string }[]) =>
    listed.map(({ issuer }, index) => ({ path: [...path, index, "issuer"], issuer }));
  const issuers = [
    { path: ["issuer"], issuer: file.issuer },
    ...below(["attestation", "oidc"], file.attestation?.oidc ?? []),
    ...below(["principals", "issuers"], file.principals.issuers),
    ...[file.console?.sign_in ?? []].flat().map(({ issuer }) => ({ path: ["console", "sign_in", "issuer"], issuer })),
  ];
  for (const { path, issuer } of issuers) {
    if (issuer.startsWith("https:")) continue;
    if (file.development && LOOPBACK_NAMES.includes(new URL(issuer).hostname)) continue;
    const message = "expected an https URL; http is for development: true with a loopback address";
    context.addIssue({ code: "custom", path, message });
  }
});

export type FileSettings = z.infer<typeof fileSchema>;

/** Accepts a canonical URL to which a path can be appended. */
function parseIssuer(url: string): string {
  checkResourceUri(url, "issuer");
  if (url.includes("?")) throw new BrokerError("INVALID_FIELD", "issuer: a URL without a query");
  return url;
}
