import type { UnixSeconds } from "./time.ts";

/** One key per family: a credential of one kind can never pass for a credential of another kind. */
export const KEY_FAMILIES = ["x509-svid", "jwt-svid", "wit-svid", "txn-token", "events", "ledger"] as const;
export type KeyFamily = (typeof KEY_FAMILIES)[number];

/**
 * The life of an authority, which only goes forward:
 * - `prepared`: published, so that verifiers have its key before anything is signed with it;
 * - `active`: signs;
 * - `old`: signs no more, and is published until nothing that it signed can be accepted any longer;
 * - `removed`: in no bundle, its key destroyed.
 */
export const AUTHORITY_STATES = ["prepared", "active", "old", "removed"] as const;
export type AuthorityState = (typeof AUTHORITY_STATES)[number];

/** A key that signs, described by its public part. */
export type Authority = {
  /** Also the `kid`; unique across all families. */
  readonly authorityId: string;
  readonly family: KeyFamily;
  readonly state: AuthorityState;
  /** When the authority came into its state. Absent where the ledger was written before this instant was recorded. */
  readonly stateSince?: UnixSeconds;
  /** The authority is trusted no more: all that it had signed was taken back, and it is in no bundle. Never undone. */
  readonly tainted?: true;
  /** The broker that has the key, among those that share the ledger. Absent: the one that has it. */
  readonly replica?: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** The CA certificate, DER; X.509 only. */
  readonly certificate?: Uint8Array;
  /** The certificates above `certificate`, DER, issuer first, root last. Absent: `certificate` is the root itself. */
  readonly upstream?: readonly Uint8Array[];
  readonly notBefore: UnixSeconds;
  /** Exclusive; nothing that the authority signs outlives it. */
  readonly expiresAt: UnixSeconds;
};

/** Whether verifiers are to believe what the authority signed, or soon will sign. */
export function isPublished({ state, tainted }: Authority): boolean {
  return state !== "removed" && tainted !== true;
}

/** The certificates, DER, that verify X.509-SVIDs, each once: generations of one upstream CA share their root. */
export function x509RootsOf(authorities: readonly Authority[]): readonly Uint8Array[] {
  const roots = authorities.flatMap(({ family, certificate, upstream }) => {
    const root = upstream?.at(-1) ?? certificate;
    return family === "x509-svid" && root !== undefined ? [root] : [];
  });
  return [...new Map(roots.map((root) => [Buffer.from(root).toString("hex"), root])).values()];
}

/**
 * The certificates, DER, that are delivered with an X.509-SVID: those between the SVID and the root, without the root.
 *
 * @see RFC 5246 section 7.4.2, SPIFFE Workload API section 5
 */
export function intermediatesOf({ certificate, upstream }: Authority): readonly Uint8Array[] {
  return upstream === undefined || certificate === undefined ? [] : [certificate, ...upstream.slice(0, -1)];
}
