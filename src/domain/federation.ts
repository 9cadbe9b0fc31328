import { invalidField } from "./errors.ts";
import { LIMITS } from "./limits.ts";
import { parseSpiffeId, parseTrustDomain, type SpiffeId, type TrustDomain } from "./spiffe-id.ts";
import type { UnixMicros } from "./time.ts";

/**
 * How a bundle endpoint shows whose it is: by a certificate of the web's public CAs, or by an X.509-SVID.
 *
 * @see SPIFFE Federation section 5.2
 */
export type BundleEndpointProfile =
  | { readonly kind: "https_web" }
  | { readonly kind: "https_spiffe"; readonly endpointSpiffeId: SpiffeId };

/**
 * Where the keys of one foreign trust domain are taken from. An operator states every member; none is ever inferred.
 *
 * @see SPIFFE Federation section 5.1
 */
export type FederationRelationship = {
  readonly trustDomain: TrustDomain;
  /** `https`, as `URL` writes it, without user, password and fragment. */
  readonly bundleEndpointUrl: string;
  readonly profile: BundleEndpointProfile;
};

/** A foreign trust domain's bundle as it was accepted last. */
export type FederatedBundle = {
  readonly trustDomain: TrustDomain;
  /** SPIFFE bundle document with the keys that this broker understands, and nothing else. */
  readonly document: string;
  /** `spiffe_sequence`; absent where the foreign trust domain does not count. */
  readonly sequence?: number;
  readonly acceptedAt: UnixMicros;
};

/** A relationship as it comes from outside. */
export type FederationRelationshipInput = {
  readonly trustDomain: string;
  readonly bundleEndpointUrl: string;
  readonly profile:
    | { readonly kind: "https_web" }
    | { readonly kind: "https_spiffe"; readonly endpointSpiffeId: string }
    | undefined;
};

/**
 * Accepts a relationship, whole or not at all.
 *
 * @param own - the broker's own trust domain, whose keys the broker knows without asking anybody.
 * @throws BrokerError INVALID_FIELD
 * @see SPIFFE Federation section 5
 */
export function parseFederationRelationship(
  input: FederationRelationshipInput,
  own: TrustDomain,
): FederationRelationship {
  const trustDomain = parseTrustDomain(input.trustDomain, "trust_domain");
  if (trustDomain === own) throw invalidField("trust_domain", "another one than the broker's own");
  return {
    trustDomain,
    bundleEndpointUrl: parseBundleEndpointUrl(input.bundleEndpointUrl),
    profile: parseProfile(input.profile),
  };
}

function parseBundleEndpointUrl(text: string): string {
  const expected = "an https URL without user, password or fragment";
  const url = text.length <= LIMITS.uriBytesMax && URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "https:" || url.username !== "" || url.password !== "" || text.includes("#")) {
    throw invalidField("bundle_endpoint_url", expected);
  }
  return url.href;
}

function parseProfile(profile: FederationRelationshipInput["profile"]): BundleEndpointProfile {
  switch (profile?.kind) {
    case "https_web":
      return { kind: "https_web" };
    case "https_spiffe":
      return {
        kind: "https_spiffe",
        endpointSpiffeId: parseSpiffeId(profile.endpointSpiffeId, "https_spiffe.endpoint_spiffe_id"),
      };
    case undefined:
      throw invalidField("profile", "https_web or https_spiffe");
  }
}
