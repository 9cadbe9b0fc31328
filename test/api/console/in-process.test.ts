import { setImmediate } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { Metadata, Server, type sendUnaryData } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { inProcess } from "../../../src/api/console/in-process.ts";
import { Status } from "../../../src/gen/stint/v1/status_pb.js";

const ROUNDS = 160;
const AT_ONCE = 12;
const NOTHING = Buffer.alloc(0);

/** Keeps the event loop, as a machine does that is busy with other things. */
function keepBusy(): void {
  for (const ends = performance.now() + Math.random() * 4; performance.now() < ends; );
}

// Whoever left broke off a connection's other calls where an answer had come whole before its head was looked at: one call of fifty here.
test("a call is answered, however busy the process is and whoever else gives up", async () => {
  const server = new Server();
  const answer = (
    call: { readonly sendMetadata: (metadata: Metadata) => void },
    callback: sendUnaryData<Uint8Array>,
  ): void => {
    call.sendMetadata(new Metadata());
    callback(null, NOTHING);
  };
  server.register("/stint.v1.Status/Get", answer, Buffer.from, (bytes) => bytes, "unary");

  const failures: unknown[] = [];
  let status = createClient(Status, inProcess(server));
  for (let round = 0; round < ROUNDS; round += 1) {
    // On some connections no call failed.
    if (round % 20 === 0) status = createClient(Status, inProcess(server));
    const calls = Array.from({ length: AT_ONCE }, async (_, index) => {
      const leaving = new AbortController();
      const leaves = index % 3 === 0;
      if (leaves) setTimeout(() => leaving.abort(), Math.random() * 8);
      await status.get({}, { signal: leaving.signal }).catch((thrown: unknown) => leaves || failures.push(thrown));
    });
    for (let turn = 0; turn < 6; turn += 1) {
      await setImmediate();
      keepBusy();
    }
    await Promise.all(calls);
  }
  expect(failures).toEqual([]);
});
