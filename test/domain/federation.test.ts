import { expect, test } from "vitest";
import { type FederationRelationshipInput, parseFederationRelationship } from "../../src/domain/federation.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";

const OWN = parseTrustDomain("example.org");
const asked: FederationRelationshipInput = {
  trustDomain: "other.example",
  bundleEndpointUrl: "https://other.example/bundle",
  profile: { kind: "https_web" },
};
const spiffe = (endpointSpiffeId: string) => ({ kind: "https_spiffe", endpointSpiffeId }) as const;
const parse = (own: Partial<FederationRelationshipInput>) => parseFederationRelationship({ ...asked, ...own }, OWN);

test("a relationship is what an operator said, in either profile", () => {
  expect(parse({})).toEqual(asked);
  const profile = spiffe("spiffe://other.example/bundle-server");
  expect(parse({ profile })).toEqual({ ...asked, profile });
});

test("an endpoint's URL is kept as URL writes it, and may have a port, a path and a query", () => {
  const urlOf = (bundleEndpointUrl: string) => parse({ bundleEndpointUrl }).bundleEndpointUrl;
  expect(urlOf("HTTPS://Other.example:8443/a/../bundle?v=1")).toBe("https://other.example:8443/bundle?v=1");
  const longest = "https://other.example/".padEnd(2_048, "b");
  expect(urlOf(longest)).toBe(longest);
});

test.for<{ what: string; own: Partial<FederationRelationshipInput>; field: string }>([
  { what: "the broker's own trust domain", own: { trustDomain: OWN }, field: "trust_domain" },
  { what: "no trust domain's name", own: { trustDomain: "Other.example" }, field: "trust_domain" },
  { what: "plain HTTP", own: { bundleEndpointUrl: "http://other.example/" }, field: "bundle_endpoint_url" },
  { what: "no URL", own: { bundleEndpointUrl: "other.example" }, field: "bundle_endpoint_url" },
  { what: "a user", own: { bundleEndpointUrl: "https://u@other.example/" }, field: "bundle_endpoint_url" },
  { what: "a password", own: { bundleEndpointUrl: "https://:p@other.example/" }, field: "bundle_endpoint_url" },
  { what: "a fragment", own: { bundleEndpointUrl: "https://other.example/#b" }, field: "bundle_endpoint_url" },
  { what: "an empty fragment", own: { bundleEndpointUrl: "https://other.example/#" }, field: "bundle_endpoint_url" },
  {
    what: "a URL of 2049 characters",
    own: { bundleEndpointUrl: "https://other.example/".padEnd(2_049, "b") },
    field: "bundle_endpoint_url",
  },
  { what: "no profile", own: { profile: undefined }, field: "profile" },
  {
    what: "an endpoint of no SPIFFE ID",
    own: { profile: spiffe("https://other.example") },
    field: "https_spiffe.endpoint_spiffe_id",
  },
])("a relationship with $what is refused, naming $field", ({ own, field }) => {
  expect(() => parse(own)).toThrow(expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } }));
});
