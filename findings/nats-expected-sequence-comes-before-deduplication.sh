#!/usr/bin/env bash
# A publisher that wants order gives JetStream the sequence that it expects to be the last (`Nats-Expected-Last-Sequence`), and for retries an id
# (`Nats-Msg-Id`). The expectation is checked first: a retry of a message whose acknowledgement was lost is refused with 10071, wrong last sequence, though it
# is stored; without the expectation the same retry is acknowledged as a duplicate. So 10071 does not mean that the message is not there: whoever sees it has to look.
#
# Seen: nats-server 2.15.3 (Go module proxy), @nats-io/jetstream and @nats-io/transport-node 3.4.0 (npm), Node.js 24.20.0.
set -euo pipefail
cd "$(mktemp -d)"
trap 'chmod -R u+w "$PWD"; rm -rf "$PWD"' EXIT

GOBIN="$PWD" go install github.com/nats-io/nats-server/v2@v2.15.3 2> install.txt || { cat install.txt >&2; exit 1; }
npm init -y > /dev/null
npm install --silent --ignore-scripts @nats-io/jetstream@3.4.0 @nats-io/transport-node@3.4.0
./nats-server -js -sd store -a 127.0.0.1 -p -1 --ports_file_dir . > server.txt 2>&1 &
server=$!
trap 'kill $server 2> /dev/null; wait; chmod -R u+w "$PWD"; rm -rf "$PWD"' EXIT
until ls *.ports > /dev/null 2>&1; do sleep 0.1; done

cat > seen.mjs <<'JS'
import { readFileSync, readdirSync } from "node:fs";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const [ports] = readdirSync(".").filter((name) => name.endsWith(".ports"));
const nats = await connect({ servers: JSON.parse(readFileSync(ports, "utf8")).nats[0] });
const [manager, stream] = [await jetstreamManager(nats), jetstream(nats)];
await manager.streams.add({ name: "s", subjects: ["s"] });
const tell = async (how, options) => {
  const told = await stream.publish("s", "x", options).catch((error) => ({ name: error.name, code: error.code }));
  const { seq, duplicate, name, code } = told;
  const { messages } = (await manager.streams.info("s")).state;
  console.log(how, JSON.stringify({ seq, duplicate, name, code, messages }));
};
await tell("first:", { msgID: "one", expect: { lastSequence: 0 } });
await tell("the same again:", { msgID: "one", expect: { lastSequence: 0 } });
await tell("without expectation:", { msgID: "one" });
await nats.close();
JS
node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
first: {"seq":1,"duplicate":false,"messages":1}
the same again: {"name":"JetStreamApiError","code":10071,"messages":1}
without expectation: {"seq":1,"duplicate":true,"messages":1}
SEEN
