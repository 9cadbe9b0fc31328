import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { startDaemon } from "../../daemon.ts";
import { ask } from "./example-agent.ts";
import { serve } from "./example-server.ts";

test("the agent and the server of the guide work together", async () => {
  const reserved = createServer().listen(0, "127.0.0.1");
  await once(reserved, "listening");
  const { port } = reserved.address() as AddressInfo;
  await new Promise((resolve) => reserved.close(resolve));
  const resource = `http://127.0.0.1:${port}/mcp`;
  const selectors = [`unix:uid:${process.getuid?.()}`];
  const read = { type: "mcp_tool", locations: [resource], actions: ["read"], datatypes: ["internal"] };
  await using daemon = await startDaemon({
    entries: [
      { kind: "agent", name: "researcher", selectors, ceiling: [{ ...read, identifier: "search" }] },
      { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
      { kind: "verifier", name: "library", selectors, audiences: [resource] },
    ],
  });
  const endpoint = `unix://${daemon.workloadSocket}`;
  const server = await serve(resource, "https://broker.example.org", endpoint);
  await once(server.listen(port, "127.0.0.1"), "listening");
  try {
    expect(await ask(resource, "moby dick", endpoint)).toEqual([
      { type: "text", text: expect.stringMatching(/^moby dick, for thread-moby-dick--[a-z2-7]{26}\/search$/) },
    ]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
