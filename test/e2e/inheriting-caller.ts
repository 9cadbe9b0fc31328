// A process that was handed a connection to the broker, open as descriptor 3, and opens steps over it as it is told, one
// JSON line a call. It speaks gRPC by hand, since no client library takes a connection from elsewhere.

import { connect as connectHttp2 } from "node:http2";
import { connect, Socket } from "node:net";
import { createInterface } from "node:readline";
import { fromBinary, fromJson, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { OpenRequestSchema, OpenResponseSchema } from "../../src/gen/stint/v1/steps_pb.js";

const [, , speaksOver = ""] = process.argv;
const told = connect(speaksOver);
const session = connectHttp2("http://localhost", { createConnection: () => new Socket({ fd: 3 }) });
session.on("error", () => undefined);
const say = (line: object) => told.write(`${JSON.stringify(line)}\n`);

/** A gRPC message: not compressed, and its length before it. */
function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function open({ id, request }: { readonly id: number; readonly request: JsonValue }): void {
  const stream = session.request({
    ":method": "POST",
    ":path": "/stint.v1.Steps/Open",
    "content-type": "application/grpc",
    te: "trailers",
    "workload.spiffe.io": "true",
  });
  const parts: Buffer[] = [];
  let status: { readonly code: string; readonly message: string } | undefined;
  const statusIn = (headers: Readonly<Record<string, unknown>>) => {
    const { "grpc-status": code, "grpc-message": message } = headers;
    if (code !== undefined) status = { code: String(code), message: decodeURIComponent(String(message ?? "")) };
  };
  stream.on("response", statusIn).on("trailers", statusIn);
  stream.on("data", (part: Buffer) => parts.push(part));
  stream.on("error", ({ message }: Error) => {
    status ??= { code: "ERROR", message };
  });
  stream.on("close", () => {
    const answer = Buffer.concat(parts).subarray(5);
    if (status?.code !== "0") say({ id, error: status ?? { code: "GONE", message: "the connection has ended" } });
    else say({ id, ok: toJson(OpenResponseSchema, fromBinary(OpenResponseSchema, answer)) });
  });
  stream.end(framed(toBinary(OpenRequestSchema, fromJson(OpenRequestSchema, request))));
}

createInterface({ input: told })
  .on("line", (line) => open(JSON.parse(line)))
  .on("close", () => process.exit(0));
say({ ready: process.pid });
