import type { BrokerCallers } from "../domain/broker-callers.ts";
import type { EntryContent } from "../domain/registration-entry.ts";
import type { RetentionClass } from "../domain/retention.ts";
import type { NoteKey } from "../domain/signed-note.ts";
import type { TrustDomain } from "../domain/spiffe-id.ts";
import type { ConsoleConfig } from "./console-section.ts";
import type { ExchangeConfig } from "./exchanges-section.ts";
import type { ListenAddress } from "./fields.ts";
import type { Finding } from "./finding.ts";
import type { SharedLedgerConfig } from "./ledger-section.ts";
import type { NatsConfig } from "./nats-section.ts";
import type { PoliciesConfig } from "./policies-section.ts";
import type { LOG_LEVELS } from "./schema.ts";
import type { StandbyConfig } from "./standby-section.ts";
import type { TracingConfig } from "./tracing-section.ts";

/** One HTTP listener; without `tls` plain HTTP, and then on loopback. */
export type HttpListenerConfig = {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Paths of PEM files, or the broker's own X.509-SVID. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string } | "own-svid";
  /** Names that the listener answers to beside its own address, each with a port or for any port. */
  readonly hosts: readonly string[];
};

/** The attestation endpoint, and what is evidence there. */
export type AttestationEndpointConfig = {
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls: NonNullable<HttpListenerConfig["tls"]>;
  readonly oidc: readonly EvidenceIssuerConfig[];
  /** Path of a PEM file. */
  readonly x509pop?: { readonly ca: string };
  readonly joinToken: boolean;
};

/** An issuer whose tokens are believed. */
export type OidcIssuerConfig = {
  /** Exactly the `iss` of its tokens. */
  readonly issuer: string;
  readonly audience: string;
  readonly singleUse: boolean;
  /** Path of a PEM file; absent: the public CAs. */
  readonly roots?: string;
};

/** An issuer whose tokens are evidence. */
export type EvidenceIssuerConfig = OidcIssuerConfig & {
  /** Path of a JSON Web Key Set, or its URL; absent: OIDC discovery. */
  readonly keys?: { readonly file: string } | { readonly uri: string };
  readonly kubernetesCluster?: string;
};

/** An issuer whose tokens say whom a step works for. */
export type PrincipalIssuerConfig = OidcIssuerConfig & {
  /** Kept beside `iss` and `sub`. */
  readonly claims: readonly string[];
};

/** An issuer whose security events are taken. */
export type EventIssuerConfig = {
  /** Exactly the `iss` of its events, and of their subjects. */
  readonly issuer: string;
  readonly jwksUri: string;
  readonly audience: string;
  /** Path of a PEM file; absent: the public CAs. */
  readonly roots?: string;
};

/** The SPIFFE Broker Endpoint: a unix socket, a TCP address, or both. */
export type BrokerEndpointConfig = {
  readonly socket?: { readonly path: string; readonly mode: number };
  readonly listen?: { readonly host: string; readonly port: number };
  readonly callers: BrokerCallers;
};

/** The configuration as the daemon uses it: checked, complete, in the words of the domain. */
export type Config = {
  readonly trustDomain: TrustDomain;
  /** Without a trailing slash. */
  readonly issuer: string;
  readonly dataDirectory: string;
  readonly workload: { readonly socket: string; readonly mode: number; readonly crlOnStreams: boolean };
  readonly operator: { readonly socket: string; readonly groupId?: number };
  readonly http?: HttpListenerConfig;
  readonly operations?: HttpListenerConfig;
  readonly console?: ConsoleConfig;
  readonly broker?: BrokerEndpointConfig;
  /** Where agents of other machines connect. */
  readonly nodes?: { readonly listen: ListenAddress };
  readonly attestation?: AttestationEndpointConfig;
  readonly limits: {
    readonly connectionsPerUid: number;
    readonly watchers: number;
    /** For runtimes that do not say how many; in declared entries the number is filled in already. */
    readonly openStepsPerRuntime: number;
  };
  /** Front ends in processes of their own; 0: one process serves everybody. */
  readonly workers: number;
  readonly ledger: {
    readonly reserveBytes: number;
    readonly diskFreeBytesMin: number;
    /** The log, where several brokers share it. */
    readonly postgres: SharedLedgerConfig | undefined;
    /** File in which the signed checkpoint is kept once more. */
    readonly checkpointCopy: string | undefined;
    /** Who is asked to sign checkpoints too: the submission prefix, and the key in one line. */
    readonly witnesses: readonly { readonly url: string; readonly key: NoteKey }[];
  };
  /** Of whose ledger a copy is kept here, where that is to be done. */
  readonly standby?: StandbyConfig;
  readonly log: { readonly level: (typeof LOG_LEVELS)[number] };
  readonly tracing?: TracingConfig;
  readonly authority: {
    readonly x509AuthoritySeconds: number;
    readonly jwtAuthoritySeconds: number;
    /** Above 0, below 1. */
    readonly prepareShare: number;
    readonly propagationSeconds: number;
  };
  readonly witSvid: boolean;
  /** Whether JWT-SVIDs name their places in status lists, which are served. */
  readonly statusLists: boolean;
  readonly ssf: {
    readonly transmit: boolean;
    /** Path of a PEM file; absent: the public CAs. */
    readonly roots?: string;
    readonly receive: readonly EventIssuerConfig[];
  };
  /** Absent: the deny-list is told on no message bus. */
  readonly nats?: NatsConfig;
  /** What keeps the private keys: files in the data directory, or a PKCS #11 token. */
  readonly keyManager:
    | { readonly kind: "disk" }
    | { readonly kind: "pkcs11"; readonly module: string; readonly tokenLabel: string; readonly pinFile?: string };
  /** Files of an upstream CA: two in PEM, or one in PKCS #12 and its passphrase. */
  readonly upstreamAuthority?:
    | { readonly certificate: string; readonly privateKey: string }
    | { readonly certificate: string; readonly passphraseFile: string };
  readonly federation: {
    /** PEM file of CA certificates that count for `https_web` bundle endpoints too. */
    readonly webRoots?: string;
  };
  /** How long a step, or a call, waits for its approval, and how long an approved call may be made. */
  readonly approvalSeconds: number;
  readonly principals: { readonly issuers: readonly PrincipalIssuerConfig[] };
  readonly policies: PoliciesConfig;
  /** Whether a tool's definition is pinned when it is reported first; otherwise an operator accepts it. */
  readonly pinsToolsAtFirstSight: boolean;
  /** For how many seconds after its expiry a credential is accepted, of audiences that are not as others are. */
  readonly leewaySeconds: ReadonlyMap<string, number>;
  /** Seconds of each class; a class that is not named is kept for good. Absent: the ledger decides. */
  readonly retention?: { readonly [Class in RetentionClass]?: number };
  readonly exchanges: readonly ExchangeConfig[];
  readonly development: boolean;
  readonly entries: readonly EntryContent[];
  /** What is permitted, and yet likely not meant. */
  readonly warnings: readonly Finding[];
};
