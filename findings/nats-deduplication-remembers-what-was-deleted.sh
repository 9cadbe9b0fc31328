#!/usr/bin/env bash
# JetStream takes a message for a duplicate by its `Nats-Msg-Id` for two minutes (`duplicate_window`), whether the first is still there or not: after the message
# was deleted, or the stream purged, the same id is acknowledged with `duplicate: true` and the sequence of what is gone, and nothing is stored.
# So an outbox that finds its stream emptied and tells it anew under the same ids is told that all is well, and the stream stays empty.
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
const tell = async (how) => {
  const { seq, duplicate } = await stream.publish("s", "x", { msgID: "one" });
  const { messages } = (await manager.streams.info("s")).state;
  console.log(how, JSON.stringify({ seq, duplicate, messages }));
};
await tell("first:");
await manager.streams.deleteMessage("s", 1);
await tell("after deleting it:");
await manager.streams.purge("s");
await tell("after a purge:");
await nats.close();
JS
node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
first: {"seq":1,"duplicate":false,"messages":1}
after deleting it: {"seq":1,"duplicate":true,"messages":0}
after a purge: {"seq":1,"duplicate":true,"messages":0}
SEEN
