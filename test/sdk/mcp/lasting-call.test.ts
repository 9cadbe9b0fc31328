import { once } from "node:events";
import { describe, test } from "vitest";
import { collectGarbage } from "../../garbage.ts";
import { guardedServerOf } from "./scene.ts";
import { SDK_LINES } from "./sdk-lines.ts";

/** Of either line. */
type Context = { readonly signal?: AbortSignal; readonly mcpReq?: { readonly signal: AbortSignal } };

describe.for(SDK_LINES)("a call that lasts, at a server of the MCP SDK $version", ({ line }) => {
  test.for([
    { tool: "wait", end: "its step ends" },
    { tool: "wait", end: "its client leaves" },
    { tool: "stream", end: "its step ends" },
    { tool: "stream", end: "its client leaves" },
  ])("of $tool is told when $end, whatever was collected meanwhile", async ({ tool, end }) => {
    const scene = await guardedServerOf(line);
    const begun = scene.called();
    const client = new AbortController();
    const headers = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      authorization: `Bearer ${scene.token()}`,
    };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: tool, arguments: {} } });
    const answer = fetch(scene.resource, { method: "POST", headers, body, signal: client.signal })
      .then((response) => response.text())
      .catch(() => undefined);
    const { signal, mcpReq } = (await begun) as Context;
    const stopped = signal ?? mcpReq?.signal;
    if (stopped === undefined) throw new Error("a handler without a signal");
    await collectGarbage();
    if (end === "its step ends") await scene.endStep();
    else client.abort();
    if (!stopped.aborted) await once(stopped, "abort");
    await answer;
  });
});
