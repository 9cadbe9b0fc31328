import type { VerifiedX509Svid } from "../../verify/x509-svid.ts";
import { certificateKey, type DenyKey, spiffeIdKey } from "./deny-list.ts";

declare const checked: unique symbol;

/**
 * Whoever holds an X.509-SVID that was not denied when it was verified: a step, or infrastructure when `step` is absent. It
 * identifies, and grants nothing; comes from `verifyX509` alone.
 */
export type VerifiedPeer = VerifiedX509Svid & {
  readonly [checked]: "verified-peer";
  /** Of a foreign trust domain: nothing is known here of its end. */
  readonly federated: boolean;
};

export function verifiedPeerOf(verified: VerifiedX509Svid, federated: boolean): VerifiedPeer {
  return { ...verified, federated } as VerifiedX509Svid as VerifiedPeer;
}

/** What stands for any issuer: the name of an authority that is no more is not known any more either. */
const ANY_ISSUER = new Uint8Array();

/** Every name by which an X.509-SVID can be denied. It does not say its step's id, but has the hash of its SPIFFE ID. */
export function denyKeysOfPeer({ spiffeId, issuerName, serialNumber }: VerifiedPeer): readonly DenyKey[] {
  return [spiffeIdKey(spiffeId), certificateKey(issuerName, serialNumber), certificateKey(ANY_ISSUER, serialNumber)];
}
