import { describe, expect, test } from "vitest";
import { parseSpiffeBundle, spiffeBundle } from "../../src/domain/bundle.ts";
import { formatBundleMap, parseBundleMap, parseBundleOf } from "../../src/domain/bundle-map.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";

const ONE = parseTrustDomain("one.example");
const TWO = parseTrustDomain("two.example");
const bundleOf = (sequence: number) => ({ keys: [], spiffe_sequence: sequence });
const mapOf = (trust_domains: unknown) => JSON.stringify({ trust_domains });
const refusal = (field: string) => expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } });

describe("a bundle map", () => {
  test("is written as the standard has it, each bundle by its trust domain and none of them merged", () => {
    const foreign = [{ trustDomain: TWO, document: '{"keys":[],"spiffe_sequence":2}' }];
    expect(formatBundleMap({ trustDomain: ONE, document: spiffeBundle([], 1, 300) }, foreign)).toBe(
      '{"trust_domains":{"one.example":{"keys":[],"spiffe_sequence":1,"spiffe_refresh_hint":300},' +
        '"two.example":{"keys":[],"spiffe_sequence":2}}}',
    );
  });

  test("reads back as it was written", () => {
    const foreign = [{ trustDomain: TWO, document: '{"keys":[],"spiffe_sequence":2}' }];
    const map = parseBundleMap(formatBundleMap({ trustDomain: ONE, document: spiffeBundle([], 1, 300) }, foreign));
    expect([...map].map(([trustDomain, { sequence }]) => [trustDomain, sequence])).toEqual([
      [ONE, 1],
      [TWO, 2],
    ]);
  });

  test("may have no trust domains, and members that nobody knows", () => {
    expect(parseBundleMap('{"trust_domains":{},"of":"somebody"}').size).toBe(0);
  });

  test.for([
    { what: "what is not JSON", text: "trust_domains", field: "bundle_map" },
    {
      what: "a trust domain twice",
      text: '{"trust_domains":{"one.example":{"keys":[]},"one.example":{"keys":[]}}}',
      field: "bundle_map",
    },
    {
      what: "a trust domain twice in other letters",
      text: '{"trust_domains":{"one.example":{"keys":[]},"one\\u002eexample":{"keys":[]}}}',
      field: "bundle_map",
    },
    { what: "two maps", text: '{"trust_domains":{},"trust_domains":{}}', field: "bundle_map" },
    { what: "no map", text: '{"keys":[]}', field: "bundle_map.trust_domains" },
    { what: "a list of bundles", text: mapOf([bundleOf(1)]), field: "bundle_map.trust_domains" },
    { what: "a SPIFFE ID", text: mapOf({ "spiffe://one.example": bundleOf(1) }), field: "bundle_map.trust_domains" },
    {
      what: "a trust domain that has no bundle",
      text: mapOf({ [ONE]: bundleOf(1), [TWO]: 7 }),
      field: "bundle_map.trust_domains.two.example",
    },
    {
      what: "one bundle of several that is none",
      text: mapOf({ [ONE]: bundleOf(1), [TWO]: { keys: 7 } }),
      field: "bundle_map.trust_domains.two.example.keys",
    },
  ])("is refused whole for $what, naming $field", ({ text, field }) => {
    expect(() => parseBundleMap(text)).toThrow(refusal(field));
  });
});

describe("the bundle of one trust domain", () => {
  test("is taken from a bundle, or from a map that has it", () => {
    const text = JSON.stringify(bundleOf(2));
    expect(parseBundleOf(TWO, text)).toEqual(parseSpiffeBundle(text));
    expect(parseBundleOf(TWO, mapOf({ [ONE]: bundleOf(1), [TWO]: bundleOf(2) })).sequence).toBe(2);
  });

  test.for([
    { what: "a map without it", text: mapOf({ [ONE]: bundleOf(1) }), field: "bundle" },
    { what: "what is both", text: '{"keys":[],"trust_domains":{"two.example":{"keys":[]}}}', field: "bundle" },
    {
      what: "a map with a neighbour that is no bundle",
      text: mapOf({ [TWO]: bundleOf(2), [ONE]: {} }),
      field: "bundle.trust_domains.one.example.keys",
    },
    { what: "what is neither", text: "{}", field: "bundle.keys" },
  ])("is not found in $what", ({ text, field }) => {
    expect(() => parseBundleOf(TWO, text)).toThrow(refusal(field));
  });
});
