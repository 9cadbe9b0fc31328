import type { Authority } from "../domain/authority.ts";
import type { UnixSeconds } from "../domain/time.ts";

/** A CA that certifies this broker's X.509 authorities, so that verifiers trust a root that they have already. */
export type UpstreamAuthority = {
  /** Exclusive end of this CA and of all above it; no authority that the CA certifies outlives this end. */
  readonly expiresAt: UnixSeconds;
  /**
   * The authority with a certificate by the upstream CA in place of its own, and with the certificates above that one.
   *
   * @throws BrokerError AUTHORITY_UNAVAILABLE
   */
  certify(authority: Authority): Promise<Authority>;
};
