import { sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  bitStringOf,
  contextConstructed,
  derOf,
  integerOf,
  NULL,
  oidOf,
  sequenceOf,
  stringOf,
  TAG,
} from "../../src/domain/der.ts";
import { checkCsr } from "../../src/verify/csr-proof.ts";
import { NO_NAME, rsaPair } from "./certificate-forge.ts";

const RSA_SHA256 = "1.2.840.113549.1.1.11";

describe("a request that is signed by RSA", () => {
  test.for([
    { what: "NULL for parameters", parameters: [NULL], isTaken: true },
    { what: "no parameters, as RFC 4055 section 5 asks to take it", parameters: [], isTaken: true },
    { what: "parameters of its own", parameters: [stringOf(TAG.utf8String, "x")], isTaken: false },
  ])("with $what is taken: $isTaken", ({ parameters, isTaken }) => {
    const { publicKey, privateKey } = rsaPair();
    const spki = publicKey.export({ type: "spki", format: "der" });
    const signed = sequenceOf(integerOf(Uint8Array.of(0)), NO_NAME, spki, derOf(contextConstructed(0)));
    const algorithm = sequenceOf(oidOf(RSA_SHA256), ...parameters);
    const csr = sequenceOf(signed, algorithm, bitStringOf(sign("sha256", signed, privateKey)));
    const checking = () => checkCsr(csr);
    if (isTaken) expect(Buffer.compare(checking().publicKey, spki)).toBe(0);
    else expect(checking).toThrow(expect.objectContaining({ code: "CSR_INVALID" }));
  });
});
