import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createStint } from "stint-sdk/runtime";
import { createVerifier } from "stint-sdk/verifier";
import { expect, test } from "vitest";
import { startDaemon } from "../daemon.ts";
import { listenerFor } from "./mcp-server-v1.ts";
import { ask, askWithWit, identify } from "./proof-snippets.ts";

const CALL = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "search", arguments: {} } };

test("the guide's proofs, service and server of the older SDK work together", async () => {
  const http = createServer();
  await once(http.listen(0, "127.0.0.1"), "listening");
  const resource = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
  const selectors = [`unix:uid:${process.getuid?.()}`];
  const read = { actions: ["read"], datatypes: ["internal"] } as const;
  const grant = [{ type: "mcp_tool", locations: [resource], identifier: "search", ...read } as const];
  await using daemon = await startDaemon({
    entries: [
      { kind: "agent", name: "researcher", selectors, ceiling: grant },
      { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
      { kind: "verifier", name: "library", selectors, audiences: [resource] },
    ],
  });
  const endpoint = `unix://${daemon.workloadSocket}`;
  using stint = createStint({ endpoint, agent: "researcher" });
  const verifier = createVerifier({ endpoint, audiences: [resource], development: true });
  await verifier.ready();
  try {
    const step = await stint.openStep({ runId: "r", step: "search", grant, proof: "dpop" });
    let listener = async ({ method = "", rawHeaders: headers }: IncomingMessage, response: ServerResponse) => {
      response.end(identify(verifier, { method, url: resource, headers }));
    };
    http.on("request", (request, response) => void listener(request, response));
    expect(await (await ask(step, resource)).text()).toBe(`${step.spiffeId} dpop`);
    expect(await (await askWithWit(step, resource)).text()).toBe(`${step.spiffeId} wpt`);
    listener = listenerFor(verifier, resource);
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const answer = await step.fetch(resource, { method: "POST", headers, body: JSON.stringify(CALL) });
    expect(await answer.text()).toContain("for search");
  } finally {
    verifier.close();
    http.closeAllConnections();
    http.close();
  }
});
