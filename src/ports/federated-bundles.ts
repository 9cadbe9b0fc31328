import type { FederatedBundle } from "../domain/federation.ts";
import type { TrustDomain } from "../domain/spiffe-id.ts";
import type { Cancel } from "./clock.ts";

/** The foreign bundles in force, beside the event loop. */
export type FederatedBundles = {
  /** `undefined` where there is no relationship, or nothing was accepted of it yet. */
  of(trustDomain: TrustDomain): FederatedBundle | undefined;
  /** Calls after a bundle was accepted, or its relationship removed. */
  onChange(changed: () => void): Cancel;
};
