// A process of its own that watches the feed and prints what comes, one JSON line a message, so that tests can watch as
// any user. A line on its standard input sends a ping.

import { createInterface } from "node:readline";
import { create, toJson } from "@bufbuild/protobuf";
import { WatchResponseSchema } from "../../src/gen/stint/v1/revocations_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { watchFeed } from "./feed-watch.ts";

const [, , socket = "", audiences = "[]"] = process.argv;
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const watch = watchFeed(openChannel(socket), { audiences: JSON.parse(audiences) as string[] }, ({ message }) =>
  say({ message: toJson(WatchResponseSchema, create(WatchResponseSchema, { message })) }),
);
createInterface({ input: process.stdin }).on("line", () => void watch.ping().catch(() => undefined));

const { codeName, reason, metadata } = await watch.failure();
say({ error: { code: codeName, reason, metadata } });
process.exit(0);
