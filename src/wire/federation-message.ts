import type { MessageInitShape } from "@bufbuild/protobuf";
import { parseSpiffeBundle } from "../domain/bundle.ts";
import { invalidField } from "../domain/errors.ts";
import type { FederatedBundle, FederationRelationship, FederationRelationshipInput } from "../domain/federation.ts";
import type { UnixMicros } from "../domain/time.ts";
import type {
  FederatedBundleSchema,
  FederationCreateRequest,
  FederationRelationshipSchema,
} from "../gen/stint/v1/federation_pb.js";
import { timestampOfMicros } from "./timestamps.ts";

/** A relationship with what became of it. */
type RelationshipState = {
  readonly relationship: FederationRelationship;
  readonly bundle?: FederatedBundle;
  readonly nextRefreshAt: UnixMicros;
  readonly failure?: { readonly at: UnixMicros; readonly message: string };
};

type RelationshipMessage = MessageInitShape<typeof FederationRelationshipSchema>;

export function federationMessageOf(state: RelationshipState): RelationshipMessage {
  const { relationship, bundle, nextRefreshAt, failure } = state;
  return {
    trustDomain: relationship.trustDomain,
    bundleEndpointUrl: relationship.bundleEndpointUrl,
    profile: profileMessageOf(relationship),
    ...(bundle === undefined ? {} : { bundle: bundleMessageOf(bundle) }),
    nextRefreshAt: timestampOfMicros(nextRefreshAt),
    ...(failure === undefined ? {} : { failure: { at: timestampOfMicros(failure.at), message: failure.message } }),
  };
}

function profileMessageOf({ profile }: FederationRelationship): NonNullable<RelationshipMessage["profile"]> {
  switch (profile.kind) {
    case "https_web":
      return { case: "httpsWeb", value: {} };
    case "https_spiffe":
      return { case: "httpsSpiffe", value: { endpointSpiffeId: profile.endpointSpiffeId } };
  }
}

function bundleMessageOf(bundle: FederatedBundle): MessageInitShape<typeof FederatedBundleSchema> {
  const { x509, jwtKeys, witKeys } = parseSpiffeBundle(bundle.document);
  return {
    ...(bundle.sequence === undefined ? {} : { spiffeSequence: BigInt(bundle.sequence) }),
    x509Authorities: x509.length,
    jwtKeys: jwtKeys.size,
    witKeys: witKeys.size,
    acceptedAt: timestampOfMicros(bundle.acceptedAt),
  };
}

/** What a request wants, for the domain to judge. */
export function federationInputOf({
  trustDomain,
  bundleEndpointUrl,
  profile,
}: FederationCreateRequest): FederationRelationshipInput {
  return { trustDomain, bundleEndpointUrl, profile: profileOf(profile) };
}

function profileOf(profile: FederationCreateRequest["profile"]): FederationRelationshipInput["profile"] {
  switch (profile.case) {
    case "httpsWeb":
      return { kind: "https_web" };
    case "httpsSpiffe":
      return { kind: "https_spiffe", endpointSpiffeId: profile.value.endpointSpiffeId };
    case undefined:
      return undefined;
  }
}

/**
 * The text of the first bundle, where a request has one.
 *
 * @throws BrokerError INVALID_FIELD when the bundle is no text
 */
export function bootstrapOf({ bundle }: FederationCreateRequest): string | undefined {
  if (bundle.length === 0) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bundle);
  } catch {
    throw invalidField("bundle", "JSON in UTF-8");
  }
}
