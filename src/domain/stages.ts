import type { Authority } from "./authority.ts";
import type { Confirmation } from "./confirmation.ts";
import type { DecidedOn } from "./decision.ts";
import type { Delegation } from "./delegation.ts";
import type { Denial } from "./errors.ts";
import type { Grant } from "./grant.ts";
import type { IssuanceRecord, Subject } from "./issuance.ts";
import type { PrincipalName } from "./principal.ts";
import type { ProcessIdentity } from "./process.ts";
import type { RegistrationEntry } from "./registration-entry.ts";
import type { Selector } from "./selector.ts";
import type { Segment, SpiffeId } from "./spiffe-id.ts";
import type { Step } from "./step.ts";
import type { UnixSeconds } from "./time.ts";

declare const stage: unique symbol;

/*
 * What each stage of the issuance path hands to the next. A value of a later type can only come from the stage before:
 * each stage's own file holds the one cast that makes such a value.
 */

/** The members of a stage's value, before the stage's cast brands it. */
export type Unbranded<Stage> = { [Member in keyof Stage as Member extends symbol ? never : Member]: Stage[Member] };

/** A caller whose evidence was checked just now. Never kept beyond the act that the caller was attested for. */
export type Attested = {
  readonly [stage]: "attested";
  readonly selectors: ReadonlySet<Selector>;
  readonly process: ProcessIdentity;
  readonly uid: number;
  /** Whether a pid that the caller names means the same process to the broker. */
  readonly sharesPids: boolean;
  /**
   * The processes above this one, its parent first, looked up when it is called; absent where nobody sees processes.
   */
  readonly ancestors?: () => readonly ProcessIdentity[];
  /** Path of the executable; absent where the path can't be read or can't be believed. */
  readonly executable?: string;
  /** Of the agent of nodes that are a group: on which of its machines. */
  readonly machine?: Segment;
  /** Enabled entries that the caller matches; at least one. */
  readonly entries: readonly RegistrationEntry[];
};

/** What the caller is entitled to be issued. */
export type Entitled = {
  readonly [stage]: "entitled";
  readonly subject: Subject;
  readonly spiffeId: SpiffeId;
  /** Absent for infrastructure. */
  readonly step?: Step;
  /** Whom the step works for. */
  readonly principal?: PrincipalName;
  readonly decidedOn: DecidedOn;
  readonly ttlSeconds: number;
  readonly content: SvidContent;
  /** The executable of the step's executor: pinned by the step's first issuance, and the same for every later one. */
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
      /** Makes the token one by which another runtime opens children, and nothing else. */
      readonly delegation?: Delegation;
    }
  | {
      readonly kind: "wit-svid";
      /** SubjectPublicKeyInfo, DER, of the P-256 key that the SVID's presenter proves to hold. */
      readonly publicKey: Uint8Array;
    }
  | {
      readonly kind: "txn-token";
      readonly location: string;
      /** At that location alone; at least one element. */
      readonly grant: Grant;
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

/** The bytes of a draft and their row, once that is durable: the only thing that a key signs. */
export type RecordedDraft = {
  readonly [stage]: "recorded";
  readonly record: IssuanceRecord;
  readonly toBeSigned: Uint8Array;
  readonly sequence: number;
};

/** A draft whose row is durable: the only thing that a signer makes an SVID of. */
export type Recorded = RecordedDraft & {
  readonly authority: Authority;
  /** What came of signing it, where the ledger's thread signs what it recorded. */
  readonly signing?: Signing;
};

/** What came of signing a recorded draft. */
export type Signing =
  /** ECDSA P-256 with SHA-256, DER. */
  { readonly kind: "signature"; readonly signature: Uint8Array } | Denial;

export type Signed = {
  readonly [stage]: "signed";
  readonly record: IssuanceRecord;
  readonly authority: Authority;
  /** The certificate's DER, or the JWS compact serialization in ASCII. */
  readonly svid: Uint8Array;
};

/** A credential that may leave the broker: its step, if it has one, was still open after the signature. */
export type Delivery = {
  readonly [stage]: "delivery";
  readonly issuanceId: string;
  readonly kind: IssuanceRecord["kind"];
  readonly spiffeId: SpiffeId;
  readonly expiresAt: UnixSeconds;
  readonly svid: Uint8Array;
  readonly authority: Authority;
};
