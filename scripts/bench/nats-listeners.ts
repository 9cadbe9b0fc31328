// Simulated verifiers on NATS, many on each connection, in a process of their own. Each has a real deny-list and its place in the chain; a signature is checked once for
// all of them, which a hundred thousand on two cores could not do.
import process from "node:process";
import { fromBinary } from "@bufbuild/protobuf";
import { connect } from "@nats-io/transport-node";
import { parseBundleJson, tokenKeysIn } from "../../src/domain/bundle.ts";
import { WatchResponse_DeniedSchema } from "../../src/gen/stint/v1/revocations_pb.js";
import { createDenyList, type DenyListEntry, stepKey } from "../../src/sdk/verifier/deny-list.ts";
import { denyListEntryOf } from "../../src/sdk/verifier/feed-messages.ts";
import { verifyFeedMessage } from "../../src/verify/feed-message-token.ts";
import { verificationKeysOf } from "../../src/verify/verification-keys.ts";
import type { Heard, ListenersAsked } from "./measure-nats.ts";

const [, , given = ""] = process.argv;
const { server, keysUrl, issuer, connections, perConnection } = JSON.parse(given) as ListenersAsked;

/** Of this machine, the same in all processes. */
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

type Read = {
  readonly stepId: string;
  readonly from: number;
  readonly through: number;
  readonly entries: readonly DenyListEntry[];
};

const keys = verificationKeysOf(
  tokenKeysIn(parseBundleJson(await (await fetch(keysUrl)).text(), "events"), "sig", "events"),
);
/** The last message, as all listeners here are told it one after the other. */
let last: { readonly bytes: Uint8Array; readonly read: Read } | undefined;
/** By step, when each listener refused it. */
const refusedMs = new Map<string, number[]>();
let heartbeats = 0;
let gaps = 0;

function readOf(bytes: Uint8Array): Read {
  if (last !== undefined && Buffer.compare(last.bytes, bytes) === 0) return last.read;
  const message = verifyFeedMessage(Buffer.from(bytes).toString(), { keys, issuer });
  if (message.kind !== "denied") throw new Error("no denial");
  const { denials } = fromBinary(WatchResponse_DeniedSchema, message.denials);
  const [first] = denials;
  const stepId = first?.subject.case === "step" ? first.subject.value.stepId : "";
  const read = { stepId, from: message.from, through: message.through, entries: denials.map(denyListEntryOf) };
  last = { bytes: Uint8Array.from(bytes), read };
  return read;
}

for (let count = 0; count < connections; count += 1) {
  const nats = await connect({ servers: server, maxReconnectAttempts: -1 });
  for (let one = 0; one < perConnection; one += 1) {
    const denyList = createDenyList();
    let through: number | undefined;
    nats.subscribe("stint.denied", {
      callback(_, message) {
        const read = readOf(message.data);
        denyList.add(read.entries);
        if (through !== undefined && read.from !== through) gaps += 1;
        through = read.through;
        if (denyList.find([stepKey(read.stepId)]) === undefined) throw new Error("not refused");
        const times = refusedMs.get(read.stepId);
        if (times === undefined) refusedMs.set(read.stepId, [nowMs()]);
        else times.push(nowMs());
      },
    });
    nats.subscribe("stint.heartbeat", {
      callback() {
        heartbeats += 1;
      },
    });
  }
  await nats.flush();
}

process.on("message", () => {
  const answer: Heard = { refusedMs: [...refusedMs], heartbeats, gaps };
  refusedMs.clear();
  heartbeats = 0;
  gaps = 0;
  process.send?.(answer);
});
process.send?.("listening");
