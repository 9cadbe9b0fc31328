import fc from "fast-check";
import { expect, test } from "vitest";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { verifyX509Svid } from "../../src/verify/x509-svid.ts";
import {
  altNames,
  authority,
  dns,
  ecPair,
  leafOf,
  nameConstraints,
  rsaPair,
  uri,
  x509Bundles,
} from "../verify/certificate-forge.ts";
import { NOW, SUBJECT } from "../verify/token-forge.ts";

// Goal: whatever is presented as a chain, the answer is a verdict, and only what the authority signed is accepted.
// Method: good chains of several shapes are mutated in one of their certificates, bits as well as lengths, and cut and spliced.
// A failure prints its seed; replay it with FC_SEED=<seed> npx vitest run test/fuzz.

const seed = process.env["FC_SEED"];
const parameters = { numRuns: 8_000, ...(seed === undefined ? {} : { seed: Number(seed) }) };

const own = authority();
const bounded = authority({
  pair: rsaPair(),
  extensions: { nc: nameConstraints({ permitted: [uri("example.org")] }) },
});
const middle = authority({ pair: ecPair("P-384") }, bounded);
const bundles = x509Bundles({ "example.org": [own, bounded] });
const chains = [
  [leafOf(own)],
  [leafOf(own, { pair: rsaPair(), extensions: { san: altNames([dns("a.example"), uri(SUBJECT)]) } })],
  [leafOf(middle), middle],
].map((chain) => chain.map(({ der }) => der));

type Mutation = (certificate: Uint8Array) => Uint8Array;
const anywhere = fc.nat({ max: 100_000 });
const octet = fc.oneof(
  fc.constantFrom(0, 1, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, 0x30, 0x31, 0xa0),
  fc.nat({ max: 255 }),
);

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(anywhere, fc.nat({ max: 7 })).map(
    ([at, bit]): Mutation =>
      (der) =>
        der.with(at % der.length, (der[at % der.length] ?? 0) ^ (1 << bit)),
  ),
  fc.tuple(anywhere, octet).map(
    ([at, value]): Mutation =>
      (der) =>
        der.with(at % der.length, value),
  ),
  fc.tuple(anywhere, fc.array(octet, { minLength: 1, maxLength: 8 })).map(
    ([at, values]): Mutation =>
      (der) =>
        Uint8Array.of(...der.subarray(0, at % der.length), ...values, ...der.subarray(at % der.length)),
  ),
  fc.tuple(anywhere, fc.integer({ min: 1, max: 8 })).map(
    ([at, count]): Mutation =>
      (der) =>
        Uint8Array.of(...der.subarray(0, at % der.length), ...der.subarray((at % der.length) + count)),
  ),
  fc.tuple(anywhere, anywhere, fc.nat({ max: 2 })).map(
    ([from, to, other]): Mutation =>
      (der) => {
        const source = chains[other]?.[0] ?? der;
        return Uint8Array.of(...der.subarray(0, from % der.length), ...source.subarray(to % source.length));
      },
  ),
);

/** Whatever is thrown that is not a verdict fails the test. */
function answerTo(chain: readonly Uint8Array[]): string {
  try {
    return verifyX509Svid(chain, { bundles, now: NOW }).spiffeId;
  } catch (thrown) {
    if (thrown instanceof VerificationError) return thrown.code;
    throw thrown;
  }
}

test("every mutated chain gets a verdict, and is accepted only if it is what authorities signed", {
  timeout: 120_000,
}, () => {
  expect(chains.map(answerTo)).toEqual([SUBJECT, SUBJECT, SUBJECT]);
  const answers = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.nat({ max: 2 }),
      fc.nat({ max: 1 }),
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
      (which, place, mutations) => {
        const original = chains[which] ?? [];
        const at = place % original.length;
        const changed = mutations.reduce(
          (der, mutate) => (der.length === 0 ? der : mutate(der)),
          original[at] ?? new Uint8Array(),
        );
        const answer = answerTo(original.with(at, changed));
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
        const isSigned = chains.some((chain) => Buffer.compare(chain[at] ?? new Uint8Array(), changed) === 0);
        if (!isSigned) expect(answer).not.toBe(SUBJECT);
      },
    ),
    parameters,
  );
  // The mutations reach beyond the outermost header: to names, keys and signatures as well. The rarest comes about 50 times.
  for (const code of ["CERTIFICATE_INVALID", "SIGNATURE_INVALID", "SUBJECT_INVALID"]) {
    expect(answers.get(code), code).toBeGreaterThan(10);
  }
});

test("bytes of no kind at all get a verdict", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }), (chain) => {
      expect(answerTo(chain)).toBe("CERTIFICATE_INVALID");
    }),
    { ...parameters, numRuns: 3_000 },
  );
});
