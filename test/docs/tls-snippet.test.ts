import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { createStint } from "stint-sdk/runtime";
import { createVerifier } from "stint-sdk/verifier";
import { expect, test } from "vitest";
import { startDaemon } from "../daemon.ts";
import { serve } from "./tls-snippet.ts";

test("the guide's server of mutual TLS answers a step, and is gone for it when it ends", async () => {
  const selectors = [`unix:uid:${process.getuid?.()}`];
  const audience = "https://mcp.example.org/library";
  const ceiling = [
    { type: "mcp_tool", locations: [audience], identifier: "search", actions: ["read"], datatypes: ["internal"] },
  ];
  await using daemon = await startDaemon({
    entries: [
      { kind: "agent", name: "researcher", selectors, ceiling },
      { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
      { kind: "verifier", name: "library", selectors, audiences: [audience] },
    ],
  });
  const endpoint = `unix://${daemon.workloadSocket}`;
  using stint = createStint({ endpoint, agent: "researcher" });
  await using verifier = createVerifier({ endpoint, audiences: [audience], development: true });
  await verifier.ready();
  const server = await serve(verifier, await stint.openStep({ runId: "r", step: "serve" }));
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    const step = await stint.openStep({ runId: "r", step: "ask" });
    const agent = new Agent({
      ...(await step.x509Svid()).tls(),
      checkServerIdentity: () => undefined,
      keepAlive: true,
    });
    const ask = async () => {
      const { port } = server.address() as AddressInfo;
      const [response] = (await once(request({ port, agent }).end(), "response")) as [IncomingMessage];
      return text(response);
    };
    expect(await ask()).toBe("hello r/ask");
    await step.close("COMPLETED", { awaitReceiptsSeconds: 10 });
    await expect(ask()).rejects.toThrow();
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
