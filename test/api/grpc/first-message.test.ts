import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { endWithoutMessage } from "../../../src/api/grpc/first-message.ts";

const TURN_MS = 50;
const [UNARY, STREAM] = ["/test.Service/Unary", "/test.Service/Stream"];

let session: ClientHttp2Session;
let calls = 0;

beforeEach(async () => {
  const server = new Server({ interceptors: [endWithoutMessage(TURN_MS)] });
  const definition = (path: string, responseStream: boolean) => ({
    ...{ path, requestStream: responseStream, responseStream },
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  });
  calls = 0;
  server.addService(
    { unary: definition(UNARY, false), stream: definition(STREAM, true) },
    {
      unary: (_call: unknown, callback: (error: null, value: Buffer) => void) => {
        calls += 1;
        callback(null, Buffer.from("answer"));
      },
      // Never ends by itself.
      stream: (call: { on(event: "data", take: (bytes: Buffer) => void): void; write(bytes: Buffer): void }) =>
        call.on("data", (bytes) => call.write(bytes)),
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  session = connect(`http://127.0.0.1:${port}`);
  onTestFinished(() => {
    session.destroy();
    server.forceShutdown();
  });
});

function call(path: string) {
  const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  return session.request(headers).resume();
}

test.for([
  { what: "says nothing", path: UNARY, says: [] },
  { what: "begins a message and does not end it", path: UNARY, says: [0, 0, 0, 0, 9, 1] },
  { what: "opens a stream and says nothing on it", path: STREAM, says: [] },
])("a call that $what is ended on both sides, without the client's doing", async ({ path, says }) => {
  const stream = call(path);
  if (says.length > 0) stream.write(Buffer.from(says));
  const answered = once(stream, "response") as Promise<[Record<string, unknown>]>;
  const closed = once(stream, "close");
  const [headers] = await answered;
  expect(Number(headers["grpc-status"])).toBe(status.RESOURCE_EXHAUSTED);
  expect(String(headers["grpc-message"])).toContain("first%20message");
  await closed;
  expect(stream.rstCode).toBe(0);
  expect(calls).toBe(0);
});

test("a call that has said something goes on for as long as it likes, and one that said all is answered", async () => {
  const stream = call(STREAM);
  stream.write(Buffer.from([0, 0, 0, 0, 1, 7]));
  await once(stream, "data");
  const silent = call(STREAM);
  // It began later, and is ended: the turns went by for both.
  await once(silent, "close");
  expect(stream.closed).toBe(false);
  stream.write(Buffer.from([0, 0, 0, 0, 1, 8]));
  await once(stream, "data");
  const unary = call(UNARY);
  unary.end(Buffer.from([0, 0, 0, 0, 0]));
  await once(unary, "close");
  expect(calls).toBe(1);
});
