import { connect } from "node:http2";
import { createConnection } from "node:net";

/** One unary call; gives the answer's bytes. */
export type RawCall = (path: string, framed: Uint8Array) => Promise<Uint8Array>;

const PREFIX_BYTES = 5;

/** A message as gRPC frames it: uncompressed, with its length before it. */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(PREFIX_BYTES + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, PREFIX_BYTES);
  return bytes;
}

/**
 * Unary gRPC calls on one HTTP/2 connection, with as little work as can be: a generator of load takes its CPU from the
 * same cores as what it measures.
 */
export function openRawCalls(socket: string): { readonly call: RawCall; close(): void } {
  const session = connect("http://localhost", { createConnection: () => createConnection(socket) });
  return {
    call: (path, message) =>
      new Promise((resolve, reject) => {
        const stream = session.request({
          ":method": "POST",
          ":path": path,
          "content-type": "application/grpc+proto",
          te: "trailers",
          "workload.spiffe.io": "true",
        });
        const chunks: Buffer[] = [];
        let status: unknown;
        stream.on("response", (headers) => {
          status = headers["grpc-status"];
        });
        stream.on("trailers", (trailers) => {
          status = trailers["grpc-status"];
        });
        stream.on("data", (chunk: Buffer) => void chunks.push(chunk));
        stream.on("error", reject);
        stream.on("end", () => {
          if (String(status) === "0") resolve(Buffer.concat(chunks).subarray(PREFIX_BYTES));
          else reject(new Error(`${path} was answered with status ${String(status)}`));
        });
        stream.end(message);
      }),
    close: () => session.close(),
  };
}
