import type { FederatedBundle } from "../domain/federation.ts";
import type { TrustDomain } from "../domain/spiffe-id.ts";
import type { Cancel } from "./clock.ts";

/** The foreign bundles in force, kept in memory. */
export type FederatedBundles = {
  /** `undefined` where there is no relationship, or no bundle was accepted yet. */
  of(trustDomain: TrustDomain): FederatedBundle | undefined;
  /** Calls after a bundle was accepted, or its relationship removed. */
  onChange(changed: () => void): Cancel;
};
