import process from "node:process";
import { startedByLedger } from "../../../src/adapters/front-processes/ledger-process.ts";

// A front end that follows all it is told of, asks one question, and prints the answer.

const parent = await startedByLedger();
if (parent === undefined) process.exit(2);
parent.serve({
  take: (connectionId) => parent.ended(connectionId),
  follow: async () => true,
  setLevel: () => undefined,
  stop: async () => undefined,
});
process.stderr.write(`${JSON.stringify(await parent.ask("issue", { from: process.pid }))}\n`);
