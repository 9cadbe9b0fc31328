import { join } from "node:path";
import { createInterface } from "node:readline";
import { openReader } from "../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../src/adapters/ledger-sqlite/driver.ts";
import { createEventReads } from "../../src/adapters/ledger-sqlite/reads/event-reads.ts";
import { createFeedReads } from "../../src/adapters/ledger-sqlite/reads/feed-reads.ts";
import { createProjectionReads } from "../../src/adapters/ledger-sqlite/reads/projection-reads.ts";
import { createReader } from "../../src/adapters/ledger-sqlite/reads/reader.ts";
import { createStepReads } from "../../src/adapters/ledger-sqlite/reads/step-reads.ts";
import { sizeOf } from "../../src/adapters/ledger-sqlite/tables/event-table.ts";
import { systemClock } from "../../src/adapters/system/system-clock.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import { createFollowers } from "../../src/ledger/followers.ts";
import { openReplica } from "./replica.ts";

// A process that follows a ledger which another one writes: `node second-process-child.ts <directory> <now>`. Asked by a line
// with a sequence and an instant, it answers with what it has once it has come so far: the number of its lines, then those.

const [directory = "", start = "0"] = process.argv.slice(2);
const POLL_MS = 5;

const driver = await loadDriver();
const reader = createReader(() => openReader(driver, join(directory, "ledger.db")));
let now = Number(start) as UnixMicros;
const clock = { ...systemClock(), now: () => now };
const head = { epoch: "", sequence: reader.read(sizeOf), rootHash: new Uint8Array(32) };
const failed = (error: unknown) => {
  throw error;
};
const followers = createFollowers({ head: () => head.sequence, read: createEventReads(reader), clock, failed });
const replica = await openReplica({
  ledger: { head: () => head, follow: followers.follow },
  projections: createProjectionReads(reader),
  steps: createStepReads(reader),
  feed: createFeedReads(reader),
  clock,
  failed,
});
const polling = setInterval(() => {
  head.sequence = reader.read(sizeOf);
  followers.committed(undefined);
}, POLL_MS);

process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const [sequence = 0, at = 0] = line.split(" ").map(Number);
  while (!(await replica.reached(sequence)));
  now = at as UnixMicros;
  const dump = replica.dump();
  process.stdout.write(`${dump.split("\n").length}\n${dump}\n`);
}
clearInterval(polling);
replica.end();
reader.close();
