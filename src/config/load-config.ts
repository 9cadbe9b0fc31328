import { statSync } from "node:fs";
import type { KernelUser } from "../domain/entry-users.ts";
import { groupIdOf, type LocalAccounts } from "../domain/local-accounts.ts";
import type { EntryContent } from "../domain/registration-entry.ts";
import type { AttestationEndpointConfig, BrokerEndpointConfig, Config, HttpListenerConfig } from "./config.ts";
import { readConfigFile } from "./config-file.ts";
import { consoleOf } from "./console-section.ts";
import { acceptEntries } from "./entries.ts";
import { checkEntrySafety } from "./entry-safety.ts";
import { exchangeOf } from "./exchanges-section.ts";
import { externalPolicyWarnings } from "./external-policy-section.ts";
import { ConfigError, type Finding, formatKey, type Place } from "./finding.ts";
import { kernelUser } from "./kernel-user.ts";
import { sharedLedgerOf } from "./ledger-section.ts";
import { readLocalAccounts } from "./local-accounts.ts";
import { natsOf } from "./nats-section.ts";
import { policiesOf } from "./policies-section.ts";
import { type FileSettings, fileSchema } from "./schema.ts";
import { schemaFindings } from "./schema-findings.ts";
import { type Environment, type Flags, overlay, type Setting, settingsOf } from "./settings.ts";
import { standbyOf } from "./standby-section.ts";
import { tracingOf } from "./tracing-section.ts";

const SECONDS_PER_DAY = 86_400;
/** The trust domain that verifiers refuse unless they were told that they run in development. */
const DEVELOPMENT_TRUST_DOMAIN = "stint-dev.invalid";

/** What is known from the machine and the call, beside the file. */
export type LoadOptions = {
  /** Values by key, e.g. `{"log.level": "debug"}`; before environment, file and default. */
  readonly flags?: Flags;
  /** The user that the broker runs as; by default the owner of the data directory, else the user of this process. */
  readonly user?: KernelUser;
  readonly accounts?: LocalAccounts;
  /** Given where nobody but this user and root may be able to write to the file. */
  readonly writer?: number;
};

/**
 * Loads the configuration: flag, then `STINT_*` environment variable, then file, then default.
 *
 * @param path - path of the file, as findings shall name it.
 * @throws ConfigError with all findings, each with its place; a finding never says what was found there, only what
 *   belongs there
 */
export function loadConfig(path: string, environment: Environment, options: LoadOptions = {}): Config {
  return loadSettings(path, environment, options).config;
}

/** The configuration, and what it was made of: the settings as in the file, defaults filled in. */
export function loadSettings(
  path: string,
  environment: Environment,
  options: LoadOptions = {},
): { readonly config: Config; readonly settings: FileSettings } {
  const source = readConfigFile(path, options.writer);
  const settings = settingsOf(fileSchema);
  checkFlags(options.flags ?? {}, settings);
  const { value, places } = overlay(source.value, settings, options.flags ?? {}, environment);
  const findingOf = (at: readonly PropertyKey[], message: string): Finding => ({
    place: places.get(at.join(".")) ?? source.placeOf(at),
    key: formatKey(at),
    message,
  });

  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    throw new ConfigError(sorted(schemaFindings(parsed.error, source, findingOf)));
  }
  const file = parsed.data;
  const accounts = options.accounts ?? readLocalAccounts();
  const { entries, problems } = acceptEntries(file.entries, file.limits.open_steps);
  const findings = problems.map((problem) => findingOf(problem.path, problem.message));

  const groupId = operatorGroupIdOf(file.operator.group, accounts);
  if (groupId === "unknown") {
    findings.push(
      findingOf(
        ["operator", "group"],
        "expected a group of this machine; for one that /etc/group does not have, its id",
      ),
    );
  }
  // Positions of entries are the same as in the file only when no entry was refused.
  const safety = problems.length > 0 ? [] : safetyFindings(entries, file, options, accounts);
  const safetyFindingOf = (found: (typeof safety)[number]): Finding =>
    findingOf(["entries", found.entry, "selectors"], found.message);
  findings.push(...safety.filter(({ severity }) => severity === "refusal").map(safetyFindingOf));
  if (findings.length > 0 || groupId === "unknown") throw new ConfigError(sorted(findings));

  const warnings = safety.filter(({ severity }) => severity === "warning").map(safetyFindingOf);
  if (file.development && file.trust_domain !== DEVELOPMENT_TRUST_DOMAIN) {
    const message = `in a trust domain other than ${DEVELOPMENT_TRUST_DOMAIN} verifiers do not know that this is for development`;
    warnings.push(findingOf(["development"], message));
  }
  const { external } = file.policies;
  for (const { path, message } of external === undefined ? [] : externalPolicyWarnings(external)) {
    warnings.push(findingOf(["policies", "external", ...path], message));
  }
  return { config: configOf(file, entries, groupId, warnings), settings: file };
}

/** @throws ConfigError for keys that no setting has: what was meant by them would be left out without a word */
function checkFlags(flags: Flags, settings: readonly Setting[]): void {
  const keys = new Set(settings.map(({ key }) => key));
  const unknown = Object.keys(flags).filter((key) => !keys.has(key));
  if (unknown.length === 0) return;
  throw new ConfigError(
    unknown.map((flag) => ({
      place: { kind: "flag", flag },
      key: "",
      message: "expected the key of a setting that is no list, as in the file",
    })),
  );
}

function safetyFindings(
  entries: readonly EntryContent[],
  { development, data_directory: directory }: FileSettings,
  options: LoadOptions,
  accounts: LocalAccounts,
): ReturnType<typeof checkEntrySafety> {
  return checkEntrySafety(entries, { user: options.user ?? brokerUser(directory), development }, accounts);
}

/** The data directory is the daemon's own, so its owner is the daemon's user, whoever looks at the configuration. */
function brokerUser(dataDirectory: string): KernelUser {
  const self = kernelUser();
  try {
    const { uid } = statSync(dataDirectory);
    return uid === self.uid ? self : { uid, gids: [] };
  } catch {
    return self;
  }
}

/** The group's id, given by a name, a number, or digits that name no group: the environment gives an id as digits. */
function operatorGroupIdOf(
  group: string | number | undefined,
  accounts: LocalAccounts,
): number | undefined | "unknown" {
  if (group === undefined) return undefined;
  const known = typeof group === "string" ? groupIdOf(group, accounts) : undefined;
  if (known !== undefined) return known;
  return /^[0-9]{1,9}$/.test(String(group)) ? Number(group) : "unknown";
}

/** Findings in the order of the file, so that a reader goes through it once. Findings from elsewhere are first. */
function sorted(findings: readonly Finding[]): readonly Finding[] {
  const line = (place: Place): number => (place.kind === "file" ? place.line : 0);
  return [...findings].sort((a, b) => line(a.place) - line(b.place));
}

function configOf(
  file: FileSettings,
  entries: readonly EntryContent[],
  groupId: number | undefined,
  warnings: readonly Finding[],
): Config {
  return {
    trustDomain: file.trust_domain,
    issuer: file.issuer,
    dataDirectory: file.data_directory,
    workload: { socket: file.workload.socket, mode: file.workload.mode, crlOnStreams: file.workload.crl_on_streams },
    operator: { socket: file.operator.socket, ...(groupId !== undefined && { groupId }) },
    // Verifiers follow the issuer's URL, so the listener always answers to the name in it.
    ...(file.http !== undefined && { http: listenerOf(file.http, [new URL(file.issuer).host]) }),
    ...(file.operations !== undefined && { operations: listenerOf(file.operations, namesOf(file.console?.url)) }),
    ...(file.console !== undefined && { console: consoleOf(file.console) }),
    ...(file.broker !== undefined && { broker: brokerOf(file.broker) }),
    ...(file.nodes !== undefined && { nodes: file.nodes }),
    ...(file.attestation !== undefined && { attestation: attestationOf(file.attestation) }),
    limits: {
      connectionsPerUid: file.limits.connections_per_uid,
      watchers: file.limits.watchers,
      openStepsPerRuntime: file.limits.open_steps,
    },
    workers: file.workers,
    ledger: {
      reserveBytes: file.ledger.reserve_bytes,
      diskFreeBytesMin: file.ledger.disk_free_bytes_min,
      postgres: sharedLedgerOf(file.ledger.postgres),
      checkpointCopy: file.ledger.checkpoint_copy,
      witnesses: file.ledger.witnesses,
    },
    ...(file.standby !== undefined && { standby: standbyOf(file.standby) }),
    log: file.log,
    ...(file.tracing !== undefined && { tracing: tracingOf(file.tracing) }),
    authority: {
      x509AuthoritySeconds: file.authority.x509_authority_days * SECONDS_PER_DAY,
      jwtAuthoritySeconds: file.authority.jwt_authority_days * SECONDS_PER_DAY,
      prepareShare: file.authority.prepare_at_percent / 100,
      propagationSeconds: file.authority.propagation,
    },
    witSvid: file.wit_svid,
    statusLists: file.status_lists,
    ssf: {
      transmit: file.ssf.transmit,
      ...(file.ssf.roots !== undefined && { roots: file.ssf.roots }),
      receive: file.ssf.receive.map(({ jwks_uri: jwksUri, issuer, audience, roots }) => ({
        ...{ issuer, jwksUri, audience },
        ...(roots !== undefined && { roots }),
      })),
    },
    ...(file.nats !== undefined && { nats: natsOf(file.nats) }),
    keyManager: keyManagerOf(file.key_manager),
    ...(file.upstream_authority.disk !== undefined && {
      upstreamAuthority: upstreamFilesOf(file.upstream_authority.disk),
    }),
    federation: { ...(file.federation.web_roots !== undefined && { webRoots: file.federation.web_roots }) },
    approvalSeconds: file.approvals.expiry,
    principals: {
      issuers: file.principals.issuers.map(({ claims, ...issuer }) => ({ ...oidcIssuerOf(issuer), claims })),
    },
    policies: policiesOf(file.policies),
    pinsToolsAtFirstSight: file.tools.pin === "first_sight",
    leewaySeconds: new Map(file.closures.leeways.map(({ audience, leeway }) => [audience, leeway])),
    ...(file.retention !== undefined && { retention: retentionOf(file.retention) }),
    exchanges: file.exchanges.map(exchangeOf),
    development: file.development,
    entries,
    warnings,
  };
}

function retentionOf(periods: NonNullable<FileSettings["retention"]>): NonNullable<Config["retention"]> {
  return Object.fromEntries(Object.entries(periods).flatMap(([name, one]) => (one === "forever" ? [] : [[name, one]])));
}

function brokerOf({ socket, mode, listen, callers }: NonNullable<FileSettings["broker"]>): BrokerEndpointConfig {
  return {
    ...(socket !== undefined && { socket: { path: socket, mode } }),
    ...(listen !== undefined && { listen }),
    callers: new Map(
      callers.map(({ spiffe_id, references }) => [
        spiffe_id,
        references.map(({ type, allow_over_tcp }) => ({ type, allowOverTcp: allow_over_tcp })),
      ]),
    ),
  };
}

function attestationOf(file: NonNullable<FileSettings["attestation"]>): AttestationEndpointConfig {
  const { listen, tls, oidc, x509pop, join_token: joinToken } = file;
  return {
    listen,
    tls: tls === undefined ? "own-svid" : filesOf(tls),
    oidc: oidc.map(evidenceIssuerOf),
    ...(x509pop !== undefined && { x509pop }),
    joinToken,
  };
}

function evidenceIssuerOf({
  jwks_file: file,
  jwks_uri: uri,
  kubernetes_cluster: kubernetesCluster,
  ...issuer
}: NonNullable<FileSettings["attestation"]>["oidc"][number]) {
  return {
    ...oidcIssuerOf(issuer),
    ...(file !== undefined && { keys: { file } }),
    ...(uri !== undefined && { keys: { uri } }),
    ...(kubernetesCluster !== undefined && { kubernetesCluster }),
  };
}

function oidcIssuerOf({
  issuer,
  audience,
  single_use: singleUse,
  roots,
}: Omit<FileSettings["principals"]["issuers"][number], "claims">) {
  return { issuer, audience, singleUse, ...(roots !== undefined && { roots }) };
}

function upstreamFilesOf({
  certificate,
  private_key: privateKey = "",
  passphrase_file: passphraseFile,
}: NonNullable<FileSettings["upstream_authority"]["disk"]>): NonNullable<Config["upstreamAuthority"]> {
  return passphraseFile === undefined ? { certificate, privateKey } : { certificate, passphraseFile };
}

function filesOf({ certificate, private_key: privateKey }: NonNullable<NonNullable<FileSettings["http"]>["tls"]>) {
  return { certificate, privateKey };
}

function keyManagerOf({ pkcs11 }: FileSettings["key_manager"]): Config["keyManager"] {
  if (pkcs11 === undefined) return { kind: "disk" };
  const { module, token_label: tokenLabel, pin_file: pinFile } = pkcs11;
  return { kind: "pkcs11", module, tokenLabel, ...(pinFile !== undefined && { pinFile }) };
}

/** The name by which browsers reach the console, which the listener answers to then. */
function namesOf(consoleUrl: string | undefined): readonly string[] {
  return consoleUrl === undefined ? [] : [new URL(consoleUrl).host];
}

function listenerOf(listener: NonNullable<FileSettings["http"]>, names: readonly string[]): HttpListenerConfig {
  const { tls, own_svid: ownSvid } = listener;
  return {
    ...listener.listen,
    ...(ownSvid && { tls: "own-svid" }),
    ...(tls !== undefined && { tls: filesOf(tls) }),
    hosts: [...new Set([...listener.hosts, ...names])],
  };
}
