import fc from "fast-check";
import { expect, test } from "vitest";
import { parseSpiffeBundle } from "../../src/domain/bundle.ts";
import { parseBundleOf } from "../../src/domain/bundle-map.ts";
import { canonicalJson } from "../../src/domain/canonical-json.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { type AcceptableBundle, acceptBundle } from "../../src/federation/accept-bundle.ts";
import { authorityWith, FOREIGN, jwtKey, published, witKey, x509Key } from "../federation/foreign-bundle.ts";
import { altNames, authority, rsaPair, uri } from "../verify/certificate-forge.ts";

// Goal: whatever an endpoint answers, the answer is a verdict; what is accepted fits the ledger, says the same when it is read
// again, and is no older than what was there.
// Method: good bundles and maps are mutated as text and as JSON, and judged after a bundle of sequence 5.
// A failure prints its seed; replay it with FC_SEED=<seed> npx vitest run test/fuzz.

const seed = process.env["FC_SEED"];
const parameters = { numRuns: 4_000, ...(seed === undefined ? {} : { seed: Number(seed) }) };

const root = authorityWith({ san: altNames([uri("spiffe://foreign.example")], false) });
const keys = [jwtKey("one"), x509Key(root), witKey("two"), x509Key(authority({ pair: rsaPair() }))];
const bundle = published({ keys, sequence: 6, hintSeconds: 60 });
const texts = [bundle, `{"trust_domains":{"foreign.example":${bundle},"other.example":{"keys":[]}}}`];
const known = acceptBundle(parseSpiffeBundle(published({ keys, sequence: 5 })), { trustDomain: FOREIGN });

const CODES: readonly string[] = ["INVALID_FIELD", "LIMIT_EXCEEDED"];

/** Whatever is thrown that is not a verdict fails the test. */
function verdictOn(text: string): AcceptableBundle | string {
  try {
    return acceptBundle(parseBundleOf(FOREIGN, text), { trustDomain: FOREIGN, known });
  } catch (thrown) {
    if (thrown instanceof BrokerError && CODES.includes(thrown.code)) return thrown.message;
    throw thrown;
  }
}

function expectSound(accepted: AcceptableBundle): void {
  expect(accepted.sequence ?? Number.NaN).toBeGreaterThanOrEqual(5);
  expect(canonicalJson({ type: "bundle.accepted", bundle: accepted }).length).toBeGreaterThan(0);
  const again = acceptBundle(parseSpiffeBundle(accepted.document), { trustDomain: FOREIGN });
  expect(again).toEqual(accepted);
}

type Mutation = (text: string) => string;
const anywhere = fc.nat({ max: 100_000 });
const piece = fc.oneof(
  fc.constantFrom(
    '"',
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "0",
    "-",
    "null",
    "1e400",
    '"keys":[],',
    '"use":"x509-svid",',
  ),
  fc.string({ maxLength: 4 }),
);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(anywhere, fc.nat({ max: 30 }), piece).map(
    ([at, count, put]): Mutation =>
      (text) =>
        text.slice(0, at % text.length) + put + text.slice((at % text.length) + count),
  ),
  fc.tuple(anywhere, fc.nat({ max: 9 })).map(
    ([at, digit]): Mutation =>
      (text) =>
        text.replaceAll(/[0-9]/g, (found, offset: number) => (offset % 97 === at % 97 ? String(digit) : found)),
  ),
);

test("every mutated bundle gets a verdict, and what is accepted of it is sound", { timeout: 120_000 }, () => {
  const counts = { accepted: 0, refused: 0, beyondJson: 0 };
  fc.assert(
    fc.property(fc.nat({ max: 1 }), fc.array(mutation, { minLength: 1, maxLength: 3 }), (which, mutations) => {
      const text = mutations.reduce((one, mutate) => mutate(one), texts[which] ?? "");
      const verdict = verdictOn(text);
      if (typeof verdict === "string") {
        counts.refused += 1;
        if (!verdict.includes("a JSON object")) counts.beyondJson += 1;
      } else {
        counts.accepted += 1;
        expectSound(verdict);
      }
    }),
    parameters,
  );
  // The mutations reach beyond the parser of JSON, and leave some bundles whole. The rarest comes about a hundred times.
  for (const [what, count] of Object.entries(counts)) expect(count, what).toBeGreaterThan(20);
});

test("bundles of any JSON at all get a verdict", () => {
  const member = fc.constantFrom("use", "kty", "kid", "x5c", "crv", "x", "y", "n", "e", "alg");
  const value = fc.oneof(
    fc.constantFrom("EC", "RSA", "x509-svid", "jwt-svid", "wit-svid", "P-256", "AQAB", "ES256"),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const count = fc.oneof(fc.integer({ min: 4, max: 7 }), fc.jsonValue({ maxDepth: 1 }));
  const documents = fc.record(
    { keys: fc.array(fc.dictionary(member, value), { maxLength: 4 }), spiffe_sequence: count },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(documents, (document) => {
      const verdict = verdictOn(JSON.stringify(document));
      if (typeof verdict !== "string") expectSound(verdict);
    }),
    parameters,
  );
});
