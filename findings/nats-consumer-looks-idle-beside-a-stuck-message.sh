#!/usr/bin/env bash
# A JetStream consumer with `max_deliver` gives a message up once it was delivered so often without an acknowledgement. The message stays in the stream, is not
# delivered again, and what the consumer says of itself looks as after work well done: `num_pending` 0, and once the last wait is over nothing more comes from a fetch. So an
# alert on `num_pending` sees nothing, and a consumer that has to deliver everything can't have a `max_deliver`; the advisory MAX_DELIVERIES is all that tells.
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
await manager.consumers.add("s", { durable_name: "c", ack_policy: AckPolicy.Explicit, max_deliver: 2, ack_wait: 200_000_000 });
const told = [];
nats.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.s.c", { callback: (_, message) => told.push(message.json().deliveries) });
await stream.publish("s", "x");
const consumer = await stream.consumers.get("s", "c");
let deliveries = 0;
for (let fetches = 0; fetches < 4; fetches += 1) {
  for await (const _ of await consumer.fetch({ max_messages: 1, expires: 1_000 })) deliveries += 1;
}
const { num_pending: pending } = await consumer.info();
const { messages } = (await manager.streams.info("s")).state;
console.log(JSON.stringify({ deliveries, pending, messages, advisories: told }));
await nats.close();
JS
node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
{"deliveries":2,"pending":0,"messages":1,"advisories":[2]}
SEEN
