import { generateKeyPairSync, hash, sign, verify } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BrowserBuffer } from "../../../src/console/proof/browser-buffer.ts";
import * as browser from "../../../src/console/proof/browser-crypto.ts";
import { ed25519KeyOf } from "../../../src/verify/ed25519.ts";

// Goal: what checks proofs decides in a browser as it does in Node.js. Method: what stands for Node's own in the browser, next to Node's own.

const bytes = fc.uint8Array({ maxLength: 200 });
const ENCODINGS = ["utf8", "hex", "base64", "base64url"] as const;
const plain = (of: Uint8Array) => Array.from(of);

test("bytes are the same text in every encoding", () => {
  fc.assert(
    fc.property(bytes, fc.constantFrom(...ENCODINGS), (of, encoding) => {
      expect(BrowserBuffer.from(of).toString(encoding)).toBe(Buffer.from(of).toString(encoding));
    }),
  );
});

test("text in an encoding is the same bytes, and any other text is found out by writing it again", () => {
  const encoded = fc
    .tuple(bytes, fc.constantFrom(...ENCODINGS))
    .map(([of, encoding]) => [Buffer.from(of).toString(encoding), encoding] as const);
  const any = fc.tuple(
    fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: fc.constantFrom(..."Aa0+/-_=f g") })),
    fc.constantFrom(...ENCODINGS.slice(1)),
  );
  fc.assert(
    fc.property(encoded, ([text, encoding]) => {
      expect(plain(BrowserBuffer.from(text, encoding))).toEqual(plain(Buffer.from(text, encoding)));
    }),
  );
  // As `domain` does: what is written otherwise than it would be is refused.
  fc.assert(
    fc.property(any, ([text, encoding]) => {
      const isAsWritten = BrowserBuffer.from(text, encoding).toString(encoding) === text;
      expect(isAsWritten).toBe(Buffer.from(text, encoding).toString(encoding) === text);
    }),
  );
});

test("parts of memory, joined bytes, order and numbers are the same", () => {
  fc.assert(
    fc.property(bytes, bytes, fc.nat(), fc.nat(), (one, other, start, length) => {
      const at = one.length === 0 ? 0 : start % one.length;
      const of = Math.min(length, one.length - at);
      const part = [one.buffer, one.byteOffset + at, of] as const;
      expect(plain(BrowserBuffer.from(...part))).toEqual(plain(Buffer.from(...part)));
      expect(plain(BrowserBuffer.concat([one, other]))).toEqual(plain(Buffer.concat([one, other])));
      expect(BrowserBuffer.compare(one, other)).toBe(Buffer.compare(one, other));
      expect(BrowserBuffer.compare(one, one.slice())).toBe(0);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 12 }), (of) => {
      expect(BrowserBuffer.from(of).readBigUInt64BE()).toBe(Buffer.from(of).readBigUInt64BE());
    }),
  );
});

test("hashes are the same, and no other hash is there", () => {
  fc.assert(
    fc.property(bytes, (of) => {
      expect(browser.hash("sha256", of, "hex")).toBe(hash("sha256", of, "hex"));
      expect(plain(browser.hash("sha256", of, "buffer") as Uint8Array)).toEqual(plain(hash("sha256", of, "buffer")));
    }),
  );
  expect(() => browser.hash("sha1", new Uint8Array())).toThrow(RangeError);
});

test("a signature holds where it holds in Node.js, and nowhere else", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const jwk = publicKey.export({ format: "jwk" });
  const key = browser.createPublicKey({ key: jwk, format: "jwk" });
  const nodes = ed25519KeyOf(Buffer.from(jwk.x ?? "", "base64url"));
  fc.assert(
    fc.property(bytes, fc.nat(63), fc.integer({ min: 0, max: 255 }), (of, at, flips) => {
      const signature = sign(null, of, privateKey);
      signature[at] = (signature[at] ?? 0) ^ flips;
      expect(browser.verify(null, of, key, signature)).toBe(verify(null, of, nodes, signature));
    }),
    { numRuns: 50 },
  );
});

test.each([
  ["no key of Ed25519", { crv: "X25519", x: "AAAA" }, "jwk"],
  ["no JWK", { crv: "Ed25519", x: "AAAA" }, "pem"],
  ["no key at all", { crv: "Ed25519" }, "jwk"],
])("%s is no key", (_, key, format) => {
  expect(() => browser.createPublicKey({ key, format })).toThrow(RangeError);
});
