import type { Authority } from "../domain/authority.ts";
import type { UnixSeconds } from "../domain/time.ts";

/** A CA above this broker's, which certifies its X.509 authorities, so that verifiers trust a root they have already. */
export type UpstreamAuthority = {
  /** Exclusive end of it and of all above it; nothing it certifies outlives that. */
  readonly expiresAt: UnixSeconds;
  /**
   * The authority with a certificate of the upstream's in place of its own, and the certificates above that.
   *
   * @throws BrokerError AUTHORITY_UNAVAILABLE
   */
  certify(authority: Authority): Promise<Authority>;
};
