// The runtime that works below the step of another one; run by examples.test.ts.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { createStint, type Grant, isStintError } from "stint-sdk/runtime";

const resource = process.env["RESOURCE"] ?? "http://localhost:3000/notes";
const grant: Grant = [
  { type: "mcp_tool", locations: [resource], identifier: "search", actions: ["read"], datatypes: ["public"] },
];

// #region take-over
const stint = createStint({ agent: "archivist" });

const server = createServer(async (request, response) => {
  try {
    const parentToken = await text(request);
    // A run of its own; the child is within the token's grant and within the life of the step that the token is of.
    const own = { runId: "archive-1", step: "store", grant, parentToken };
    const found = await stint.withStep(own, async (step) => (await step.fetch(resource)).text());
    response.end(found);
  } catch (error) {
    // Used up, for another runtime, of a step that has ended, or for more than the token passes on.
    response.writeHead(isStintError(error, "DELEGATION_REFUSED") ? 403 : 500).end();
  }
});
// #endregion

server.listen(Number(process.env["PORT"] ?? 3001), "127.0.0.1", () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
