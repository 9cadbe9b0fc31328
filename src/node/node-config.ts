import type { z } from "zod";
import { readConfigFile } from "../config/config-file.ts";
import { absolutePath, accepted, oneOf, section, socketMode, socketPath, text, yesNo } from "../config/fields.ts";
import { ConfigError, type Finding, formatKey } from "../config/finding.ts";
import { LOG_LEVELS } from "../config/schema.ts";
import { schemaFindings } from "../config/schema-findings.ts";
import type { YamlSource } from "../config/yaml-source.ts";
import { parseSegment, parseTrustDomain, type Segment, type TrustDomain } from "../domain/spiffe-id.ts";

/** The agent of a machine without a broker: node.yaml. */
export type NodeConfig = {
  /** Of the node's entry. */
  readonly name: Segment;
  readonly trustDomain: TrustDomain;
  /** `host:port` of the broker's `nodes.listen`, and of its attestation endpoint. */
  readonly broker: { readonly nodes: string; readonly attestation: string };
  /** How the attestation endpoint is known: the broker's own X.509-SVID, by a bundle; or a certificate for its name. Paths. */
  readonly trust:
    | { readonly bundleFile: string }
    | { readonly roots: string | undefined; readonly serverName: string | undefined };
  /** Paths. */
  readonly evidence:
    | { readonly kind: "join_token"; readonly file: string }
    | { readonly kind: "oidc"; readonly file: string }
    | { readonly kind: "x509pop"; readonly certificateChain: string; readonly privateKey: string };
  readonly workload: { readonly socket: string; readonly mode: number };
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly development: boolean;
};

export { ConfigError };

const ADDRESS = /^(?:\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$/;

const address = () => text("host:port").regex(ADDRESS, { error: "expected host:port" });

const schema = section({
  name: accepted((name) => parseSegment(name, "name"), "the name of the node's entry"),
  trust_domain: accepted((name) => parseTrustDomain(name, "trust_domain"), "a trust domain, e.g. example.org"),
  broker: section({
    nodes: address().describe("Where the broker has `nodes.listen`."),
    attestation: address().describe("Where it has `attestation.listen`."),
    bundle: absolutePath()
      .optional()
      .describe(
        "File with the trust domain's bundle (PEM or JSON), where the attestation endpoint shows the broker's own X.509-SVID.",
      ),
    roots: absolutePath()
      .optional()
      .describe("File with the CAs (PEM) of a certificate for its name. Absent, as bundle is: the public ones."),
    server_name: text("a host name").optional().describe("The name in that certificate. Absent: the address's host."),
  }),
  evidence: section({
    join_token_file: absolutePath().optional().describe("File with a join token, good once."),
    oidc_token_file: absolutePath().optional().describe("File with a token, read for every attestation."),
    x509pop: section({ certificate_chain: absolutePath(), private_key: absolutePath() })
      .optional()
      .describe("Files of a certificate that the broker knows the CA of, and of its key; PEM."),
  }),
  workload: section({
    socket: socketPath().prefault("/run/stint/workload.sock"),
    mode: socketMode().prefault("0666"),
  }).prefault({}),
  log: section({ level: oneOf(LOG_LEVELS).prefault("info") }).prefault({}),
  development: yesNo()
    .prefault(false)
    .describe("Serves processes of the node's own user too, which could take its keys. Never in production."),
});

/** @throws ConfigError with all that is wrong */
export function readNodeConfig(path: string): NodeConfig {
  return nodeConfigOf(readConfigFile(path));
}

function nodeConfigOf(source: YamlSource): NodeConfig {
  const result = schema.safeParse(source.value ?? {});
  const findingOf = (path: readonly PropertyKey[], message: string): Finding => ({
    place: source.placeOf(path),
    key: formatKey(path),
    message,
  });
  if (!result.success) throw new ConfigError(schemaFindings(result.error, source, findingOf));
  const { name, trust_domain: trustDomain, broker, evidence, workload, log, development } = result.data;
  const findings: Finding[] = [];
  const { bundle, roots, server_name: serverName } = broker;
  if (bundle !== undefined && (roots !== undefined || serverName !== undefined)) {
    findings.push(findingOf(["broker", "bundle"], "expected none beside roots or server_name"));
  }
  const shown = evidenceOf(evidence);
  if (shown === undefined) {
    findings.push(findingOf(["evidence"], "expected one of join_token_file, oidc_token_file and x509pop"));
  }
  if (findings.length > 0 || shown === undefined) throw new ConfigError(findings);
  return {
    name,
    trustDomain,
    broker: { nodes: broker.nodes, attestation: broker.attestation },
    trust: bundle === undefined ? { roots, serverName } : { bundleFile: bundle },
    evidence: shown,
    workload,
    logLevel: log.level,
    development,
  };
}

function evidenceOf({
  join_token_file: joinToken,
  oidc_token_file: oidc,
  x509pop,
}: z.infer<typeof schema>["evidence"]): NodeConfig["evidence"] | undefined {
  if ([joinToken, oidc, x509pop].filter((one) => one !== undefined).length !== 1) return undefined;
  if (joinToken !== undefined) return { kind: "join_token", file: joinToken };
  if (oidc !== undefined) return { kind: "oidc", file: oidc };
  if (x509pop === undefined) return undefined;
  return { kind: "x509pop", certificateChain: x509pop.certificate_chain, privateKey: x509pop.private_key };
}
