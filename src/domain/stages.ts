import type { Authority } from "./authority.ts";
import type { Confirmation } from "./confirmation.ts";
import type { DecidedOn } from "./decision.ts";
import type { Grant } from "./grant.ts";
import type { IssuanceRecord, Subject } from "./issuance.ts";
import type { ProcessIdentity } from "./process.ts";
import type { RegistrationEntry } from "./registration-entry.ts";
import type { Selector } from "./selector.ts";
import type { SpiffeId } from "./spiffe-id.ts";
import type { Step } from "./step.ts";
import type { UnixSeconds } from "./time.ts";

declare const stage: unique symbol;

/*
 * What each stage of the issuance path hands to the next. A value of a later type can only come from the stage before
 * it: each stage's own file holds the one cast that makes it.
 */

/** What a stage says, before it is one. */
export type Unbranded<Stage> = { [Member in keyof Stage as Member extends symbol ? never : Member]: Stage[Member] };

/** A caller whose evidence was checked just now. Never kept beyond the act it was made for. */
export type Attested = {
  readonly [stage]: "attested";
  readonly selectors: ReadonlySet<Selector>;
  readonly process: ProcessIdentity;
  readonly uid: number;
  /** Whether a pid that it names means the same process to the broker. */
  readonly sharesPids: boolean;
  /** Path of the executable; absent where it can't be had or can't be believed. */
  readonly executable?: string;
  /** Enabled entries it matches; at least one. */
  readonly entries: readonly RegistrationEntry[];
};

/** What the caller is entitled to be issued. */
export type Entitled = {
  readonly [stage]: "entitled";
  readonly subject: Subject;
  readonly spiffeId: SpiffeId;
  /** Absent for infrastructure. */
  readonly step?: Step;
  readonly decidedOn: DecidedOn;
  readonly ttlSeconds: number;
  readonly content: SvidContent;
  /** What the step's executor runs: pinned by its first issuance, and the same ever after. */
  readonly executable?: string;
};

/** What the credential will say, beyond what follows from its subject. */
export type SvidContent =
  | {
      readonly kind: "x509-svid";
      /** SubjectPublicKeyInfo, DER, of a key whose possession was proved. */
      readonly publicKey: Uint8Array;
    }
  | {
      readonly kind: "jwt-svid";
      readonly audiences: readonly string[];
      readonly grant: Grant;
      readonly confirmation?: Confirmation;
    }
  | {
      readonly kind: "wit-svid";
      /** SubjectPublicKeyInfo, DER, of the P-256 key that its presenter proves to hold. */
      readonly publicKey: Uint8Array;
    };

/** A credential complete but for its signature. */
export type Drafted = {
  readonly [stage]: "drafted";
  readonly record: IssuanceRecord;
  readonly toBeSigned: Uint8Array;
  readonly authority: Authority;
  readonly decidedOn: DecidedOn;
  readonly executable?: string;
};

/** A draft whose row is durable: the only thing a signer takes. */
export type Recorded = {
  readonly [stage]: "recorded";
  readonly record: IssuanceRecord;
  readonly toBeSigned: Uint8Array;
  readonly authority: Authority;
  readonly sequence: number;
};

export type Signed = {
  readonly [stage]: "signed";
  readonly record: IssuanceRecord;
  readonly authority: Authority;
  /** The certificate's DER, or the JWS compact serialization in ASCII. */
  readonly svid: Uint8Array;
};

/** A credential that may leave: its step was still open after it was signed. */
export type Delivery = {
  readonly [stage]: "delivery";
  readonly issuanceId: string;
  readonly kind: IssuanceRecord["kind"];
  readonly spiffeId: SpiffeId;
  readonly expiresAt: UnixSeconds;
  readonly svid: Uint8Array;
  readonly authority: Authority;
};
