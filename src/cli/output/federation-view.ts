import type { FederationRelationship } from "../../gen/stint/v1/federation_pb.js";
import { instantCell, instantField } from "./fields.ts";
import { styleOf, type View } from "./view.ts";

export const federationView: View<FederationRelationship> = {
  fields: [
    ["trust_domain", (relationship) => relationship.trustDomain],
    ["bundle_endpoint_url", (relationship) => relationship.bundleEndpointUrl],
    ["profile", profileOf],
    ["endpoint_spiffe_id", ({ profile }) => (profile.case === "httpsSpiffe" ? profile.value.endpointSpiffeId : null)],
    ["spiffe_sequence", sequenceOf],
    ["x509_authorities", ({ bundle }) => bundle?.x509Authorities ?? null],
    ["jwt_keys", ({ bundle }) => bundle?.jwtKeys ?? null],
    ["wit_keys", ({ bundle }) => bundle?.witKeys ?? null],
    ["accepted_at", ({ bundle }) => instantField(bundle?.acceptedAt)],
    ["next_refresh_at", ({ nextRefreshAt }) => instantField(nextRefreshAt)],
    ["failure", ({ failure }) => failure?.message ?? null],
    ["failed_at", ({ failure }) => instantField(failure?.at)],
  ],
  columns: [
    { header: "TRUST_DOMAIN", text: ({ trustDomain }) => trustDomain },
    { header: "PROFILE", text: profileOf },
    { header: "SEQUENCE", text: (relationship) => String(sequenceOf(relationship) ?? ""), align: "right" },
    { header: "X509", text: ({ bundle }) => String(bundle?.x509Authorities ?? ""), align: "right" },
    { header: "JWT", text: ({ bundle }) => String(bundle?.jwtKeys ?? ""), align: "right" },
    { header: "WIT", text: ({ bundle }) => String(bundle?.witKeys ?? ""), align: "right" },
    { header: "ACCEPTED", text: ({ bundle }) => instantCell(bundle?.acceptedAt) },
    { header: "NEXT_REFRESH", text: ({ nextRefreshAt }) => instantCell(nextRefreshAt) },
    { header: "FAILURE", text: ({ failure }) => failure?.message ?? "", style: () => styleOf(false, true) },
  ],
};

/** The profile's name in the standard, which `create` takes; UNKNOWN for a profile that this version does not know. */
function profileOf({ profile }: FederationRelationship): string {
  switch (profile.case) {
    case "httpsWeb":
      return "https_web";
    case "httpsSpiffe":
      return "https_spiffe";
    case undefined:
      return "UNKNOWN";
  }
}

function sequenceOf({ bundle }: FederationRelationship): number | null {
  return bundle?.spiffeSequence === undefined ? null : Number(bundle.spiffeSequence);
}
