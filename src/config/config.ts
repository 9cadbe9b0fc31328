import type { EntryContent } from "../domain/registration-entry.ts";
import type { TrustDomain } from "../domain/spiffe-id.ts";
import type { Finding } from "./finding.ts";
import type { LOG_LEVELS } from "./schema.ts";

/** One HTTP listener; without `tls` plain HTTP, and then on loopback. */
export type HttpListenerConfig = {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Paths of PEM files. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string };
  /** Names it answers to beside its own address, each with a port or for any port. */
  readonly hosts: readonly string[];
};

/** The configuration as the daemon uses it: checked, complete, in the words of the domain. */
export type Config = {
  readonly trustDomain: TrustDomain;
  /** Without a trailing slash. */
  readonly issuer: string;
  readonly dataDirectory: string;
  readonly workload: { readonly socket: string; readonly mode: number };
  readonly operator: { readonly socket: string; readonly groupId?: number };
  readonly http?: HttpListenerConfig;
  readonly operations?: HttpListenerConfig;
  readonly limits: {
    readonly connectionsPerUid: number;
    readonly watchers: number;
    /** Of runtimes that do not say how many; the declared ones have it already. */
    readonly openStepsPerRuntime: number;
  };
  readonly ledger: { readonly reserveBytes: number; readonly diskFreeBytesMin: number };
  readonly log: { readonly level: (typeof LOG_LEVELS)[number] };
  readonly authority: { readonly x509AuthoritySeconds: number; readonly jwtAuthoritySeconds: number };
  readonly development: boolean;
  readonly entries: readonly EntryContent[];
  /** Permitted, and yet likely not meant. */
  readonly warnings: readonly Finding[];
};
