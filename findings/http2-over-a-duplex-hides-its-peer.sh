#!/usr/bin/env bash
# A gRPC server in Node.js takes connections from elsewhere: `createConnectionInjector(…).injectConnection(duplex)`, for any Duplex. Who is
# at the other end a handler asks by `call.getPeer()`, which is the connection's `remoteAddress`. For a `net.Socket` that is the socket's,
# also one that was set by hand. For any other Duplex it is lost, though the Duplex has it: around what is no socket of the kernel's,
# Node.js' HTTP/2 puts a socket of its own, which has none, and `getPeer()` says "unknown" for every such connection. So whoever puts a
# filter in front of a gRPC server, and tells callers apart by their connections, has to end the filter in a real socket.
#
# Seen: @grpc/grpc-js 1.14.7 (npm), Node.js 24.21.0.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts @grpc/grpc-js@1.14.7
cat > seen.mjs <<'JS'
import { connect, createServer } from "node:net";
import { Duplex } from "node:stream";
import grpc from "@grpc/grpc-js";

const bytes = (value) => value;
const who = { path: "/Who/Am", requestStream: false, responseStream: false };
Object.assign(who, { requestSerialize: bytes, requestDeserialize: bytes });
Object.assign(who, { responseSerialize: bytes, responseDeserialize: bytes });

const server = new grpc.Server();
server.addService({ Am: who }, { Am: (call, answer) => answer(null, Buffer.from(call.getPeer())) });
const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());

const around = (socket) => {
  const duplex = new Duplex({ read() {}, write: (chunk, _, done) => socket.write(chunk, done) });
  socket.on("data", (chunk) => duplex.push(chunk));
  return duplex;
};
for (const [what, made] of [["a socket", (socket) => socket], ["a Duplex around one", around]]) {
  const listener = createServer((socket) => {
    const connection = made(socket);
    Object.defineProperty(connection, "remoteAddress", { value: "caller-7" });
    injector.injectConnection(connection);
  });
  const path = `${process.cwd()}/${what.length}.sock`;
  await new Promise((listening) => listener.listen(path, listening));
  const client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure());
  const peer = await new Promise((resolve, reject) =>
    client.makeUnaryRequest(who.path, bytes, bytes, Buffer.of(), (error, value) => (error ? reject(error) : resolve(String(value)))),
  );
  console.log(`${what}: ${peer}`);
}
process.exit();
JS

node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
a socket: caller-7
a Duplex around one: unknown
SEEN
