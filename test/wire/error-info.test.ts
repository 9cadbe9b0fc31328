import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeErrorInfo, encodeStatusDetails } from "../../src/wire/error-info.ts";

describe("ErrorInfo in a google.rpc.Status", () => {
  test("is written as other gRPC libraries write it", () => {
    const info = { reason: "STEP_CLOSED", domain: "stint", metadata: { state: "COMPLETED" } };
    expect(Buffer.from(encodeStatusDetails(9, "the step is COMPLETED", info)).toString("hex")).toBe(
      [
        // code: 9
        "0809",
        // message, 21 bytes
        "1215",
        Buffer.from("the step is COMPLETED").toString("hex"),
        // details: one Any of 84 bytes, its type_url and its value of 40 each
        "1a54",
        "0a28",
        Buffer.from("type.googleapis.com/google.rpc.ErrorInfo").toString("hex"),
        "1228",
        // reason, domain, and one pair of metadata
        "0a0b",
        Buffer.from("STEP_CLOSED").toString("hex"),
        "1205",
        Buffer.from("stint").toString("hex"),
        "1a12",
        "0a05",
        Buffer.from("state").toString("hex"),
        "1209",
        Buffer.from("COMPLETED").toString("hex"),
        "",
      ].join(""),
    );
  });

  test("comes back as it was written, whatever its text", () => {
    const text = fc.string({ unit: "grapheme" });
    const metadata = fc.dictionary(text, text, { noNullPrototype: true });
    const info = fc.record({ reason: text, domain: text, metadata });
    fc.assert(
      fc.property(fc.nat({ max: 16 }), text, info, (code, message, written) => {
        expect(decodeErrorInfo(encodeStatusDetails(code, message, written))).toEqual(written);
      }),
    );
  });

  test("is not there in any other bytes, and reading them does not throw", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => decodeErrorInfo(bytes) === undefined));
  });

  test("is found behind details of types that are not known here", () => {
    const status = encodeStatusDetails(9, "", { reason: "STEP_CLOSED", domain: "stint", metadata: {} });
    const other = Buffer.concat([Buffer.from([0x1a, 0x09, 0x0a, 0x07]), Buffer.from("x/y.Any")]);
    expect(decodeErrorInfo(Buffer.concat([other, status]))?.reason).toBe("STEP_CLOSED");
  });
});
