import fc from "fast-check";
import { expect, test } from "vitest";
import { preAuthenticationEncoding } from "../../src/domain/dsse.ts";

const textOf = (type: string, payload: string) =>
  Buffer.from(preAuthenticationEncoding(type, Buffer.from(payload))).toString();

test.for([
  // https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md, "Test Vectors"
  {
    type: "http://example.com/HelloWorld",
    payload: "hello world",
    encoded: "DSSEv1 29 http://example.com/HelloWorld 11 hello world",
  },
  { type: "é", payload: "", encoded: "DSSEv1 2 é 0 " },
])("the encoding of $type and $payload", ({ type, payload, encoded }) => {
  expect(textOf(type, payload)).toBe(encoded);
});

test("two payloads, or types, never have one encoding", () => {
  fc.assert(
    fc.property(fc.tuple(fc.string(), fc.string()), fc.tuple(fc.string(), fc.string()), (one, other) => {
      fc.pre(one[0] !== other[0] || one[1] !== other[1]);
      expect(textOf(...one)).not.toBe(textOf(...other));
    }),
  );
});
