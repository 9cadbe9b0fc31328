import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { contextConstructed, derOf, oidOf, sequenceOf, stringOf, TAG } from "../../src/domain/der.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { checkCsr } from "../../src/verify/csr-proof.ts";
import { certificationRequest, p256 } from "../samples/certification-request.ts";

// Goal: whatever arrives as a certification request, the answer is a verdict: its own key, CSR_INVALID or KEY_REFUSED.
// Method: good requests of each kind of key are mutated in a few places, bits as well as lengths, and cut and spliced. Since a
// signature covers what is taken from a request, one that was changed anywhere must not be accepted.
// A failure prints its seed; replay it with FC_SEED=<seed> npx vitest run test/fuzz.

const seed = process.env["FC_SEED"];
const parameters = { numRuns: 12_000, ...(seed === undefined ? {} : { seed: Number(seed) }) };

const subject = sequenceOf(derOf(TAG.set, sequenceOf(oidOf("2.5.4.3"), stringOf(TAG.utf8String, "somebody"))));
const password = sequenceOf(oidOf("1.2.840.113549.1.9.7"), derOf(TAG.set, stringOf(TAG.utf8String, "word")));
const attributes = derOf(contextConstructed(0), password);
const requests = [
  certificationRequest(p256()),
  certificationRequest(p256(), { subject, attributes }),
  certificationRequest(generateKeyPairSync("ec", { namedCurve: "P-384" }), { subject }),
  certificationRequest(generateKeyPairSync("rsa", { modulusLength: 2_048 }), { attributes }),
];

type Mutation = (csr: Uint8Array) => Uint8Array;

const anywhere = fc.nat({ max: 100_000 });
const octet = fc.oneof(
  fc.constantFrom(0, 1, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, 0x30, 0x31, 0xa0),
  fc.nat({ max: 255 }),
);

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(anywhere, fc.nat({ max: 7 })).map(
    ([at, bit]): Mutation =>
      (csr) => {
        const index = at % csr.length;
        return csr.with(index, (csr[index] ?? 0) ^ (1 << bit));
      },
  ),
  fc.tuple(anywhere, octet).map(
    ([at, value]): Mutation =>
      (csr) =>
        csr.with(at % csr.length, value),
  ),
  // The first octets hold the lengths of everything around.
  fc.tuple(fc.nat({ max: 40 }), octet).map(
    ([at, value]): Mutation =>
      (csr) =>
        csr.with(at % csr.length, value),
  ),
  fc.tuple(anywhere, fc.array(octet, { minLength: 1, maxLength: 8 })).map(
    ([at, values]): Mutation =>
      (csr) => {
        const index = at % csr.length;
        return Uint8Array.of(...csr.subarray(0, index), ...values, ...csr.subarray(index));
      },
  ),
  fc.tuple(anywhere, fc.integer({ min: 1, max: 8 })).map(
    ([at, count]): Mutation =>
      (csr) => {
        const index = at % csr.length;
        return Uint8Array.of(...csr.subarray(0, index), ...csr.subarray(index + count));
      },
  ),
  anywhere.map(
    (at): Mutation =>
      (csr) =>
        csr.subarray(0, at % csr.length),
  ),
  fc.tuple(anywhere, anywhere, fc.nat({ max: requests.length - 1 })).map(
    ([from, to, other]): Mutation =>
      (csr) => {
        const source = requests[other] ?? csr;
        return Uint8Array.of(...csr.subarray(0, from % csr.length), ...source.subarray(to % source.length));
      },
  ),
);

test("every mutated request gets a verdict, and is accepted only if it is what its key signed", {
  timeout: 120_000,
}, () => {
  const answers = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.nat({ max: requests.length - 1 }),
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      (which, mutations) => {
        const original = requests[which] ?? new Uint8Array();
        const csr = mutations.reduce((bytes, mutate) => (bytes.length === 0 ? bytes : mutate(bytes)), original);
        const answer = answerTo(csr);
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
        const isUnchanged = requests.some((one) => Buffer.compare(one, csr) === 0);
        expect(answer === "accepted").toBe(isUnchanged);
      },
    ),
    parameters,
  );
  // The mutations reach beyond the outermost header: to the keys as well.
  expect(answers.get("CSR_INVALID")).toBeGreaterThan(1_000);
  expect(answers.get("KEY_REFUSED")).toBeGreaterThan(100);
});

test("bytes of no kind at all get a verdict", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(answerTo(bytes)).toBe("CSR_INVALID");
    }),
    { ...parameters, numRuns: 3_000 },
  );
});

/** Whatever is thrown that is not a verdict fails the test. */
function answerTo(csr: Uint8Array): string {
  try {
    checkCsr(csr);
    return "accepted";
  } catch (thrown) {
    if (!(thrown instanceof BrokerError)) throw thrown;
    expect(["CSR_INVALID", "KEY_REFUSED"]).toContain(thrown.code);
    return thrown.code;
  }
}
