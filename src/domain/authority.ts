import type { UnixSeconds } from "./time.ts";

/** One key per family: a token of one kind can never pass for one of another. */
export type KeyFamily = "x509-svid" | "jwt-svid" | "wit-svid" | "events" | "ledger";

/** A key that signs, by its public part. */
export type Authority = {
  /** Also the `kid`; unique across all families. */
  readonly authorityId: string;
  readonly family: KeyFamily;
  readonly state: "prepared" | "active" | "old";
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** The CA certificate, DER; X.509 only. */
  readonly certificate?: Uint8Array;
  readonly notBefore: UnixSeconds;
  /** Exclusive; nothing signed by it outlives it. */
  readonly expiresAt: UnixSeconds;
};
