import { expect, test } from "vitest";
import { FRAME_HEADER_BYTES, howToServe, PREFACE } from "../../../../src/api/endpoint/authority-filter/first-bytes.ts";

/** The first frame of each client, as it sent it. */
const SETTINGS = {
  "grpc-java 1.80.0": "000018040000000000000200000000000300000000000400100000000600002000",
  "grpc's C core 58.0.0, from Python": `00002404000000000000020000000000030000000000040040000000050040000000060000${"4000fe0300000001"}`,
  "Rust's tonic 0.14": "000018040000000000000200000000000400200000000500004000000600004000",
  "no settings": "000000040000000000",
  "one stream allowed": "00000604000000000000030000" + "0001",
  "settings that are no settings": "000005040000000000000300000000",
  "another frame": "000006000000000000000300000000",
} as const;

const bytesOf = (client: keyof typeof SETTINGS) => Buffer.concat([PREFACE, Buffer.from(SETTINGS[client], "hex")]);

test.for([
  { client: "grpc-java 1.80.0", served: "filtered" },
  { client: "grpc's C core 58.0.0, from Python", served: "as it is" },
  { client: "Rust's tonic 0.14", served: "as it is" },
  { client: "no settings", served: "as it is" },
  { client: "one stream allowed", served: "as it is" },
  { client: "settings that are no settings", served: "filtered" },
  { client: "another frame", served: "filtered" },
] as const)("by its settings, $client is served $served", ({ client, served }) => {
  expect(howToServe(bytesOf(client))).toBe(served);
});

test("more is wanted up to the end of the settings, and no byte further", () => {
  const bytes = bytesOf("grpc-java 1.80.0");
  for (let length = 0; length < bytes.length; length += 1) {
    const end = length < PREFACE.length + FRAME_HEADER_BYTES ? PREFACE.length + FRAME_HEADER_BYTES : bytes.length;
    expect(howToServe(bytes.subarray(0, length))).toBe(end - length);
  }
});

test("what is no HTTP/2 is not looked at, and more settings than any client has are no reason to wait", () => {
  expect(howToServe(Buffer.from("GET"))).toBe("as it is");
  expect(howToServe(Buffer.of(0x16, 3, 1))).toBe("as it is");
  expect(howToServe(Buffer.concat([PREFACE, Buffer.from("0000c6040000000000", "hex")]))).toBe("filtered");
});
