import { expect, test, vi } from "vitest";
import { manualClock } from "../verifier/manual-clock.ts";
import { guardedServer, OTHER_METHODS_AND_LISTEN, type Scene } from "./scene.ts";

const _meta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
};
const LISTEN = {
  jsonrpc: "2.0",
  id: 7,
  method: "subscriptions/listen",
  params: { notifications: { toolsListChanged: true }, _meta },
};

function listen(scene: Scene, claims = {}): Promise<Response> {
  const headers = { "mcp-protocol-version": "2026-07-28", "mcp-method": LISTEN.method };
  return scene.post(LISTEN, { ...headers, authorization: `Bearer ${scene.token(claims)}` });
}

/** The first event is there: the stream is open. */
async function begun(response: Response): Promise<AsyncIterator<Uint8Array>> {
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const chunks = (response.body ?? new ReadableStream<Uint8Array>())[Symbol.asyncIterator]();
  await chunks.next();
  return chunks;
}

async function restOf(chunks: AsyncIterator<Uint8Array>): Promise<string> {
  let text = "";
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
    text += new TextDecoder().decode(next.value);
  }
  return text;
}

test("a stream that is no call's ends when the verifier has been without the feed for too long", async () => {
  const clock = manualClock(Date.now());
  const scene = await guardedServer({ clock, otherMethods: OTHER_METHODS_AND_LISTEN });
  const chunks = await begun(await listen(scene));
  scene.silence();
  clock.suspend(61_000);
  expect(await restOf(chunks)).toContain('"reason":"STALE"');
});

test("it goes on past the expiry of the token that it came with, until the step ends", async () => {
  const clock = manualClock(Date.now());
  const scene = await guardedServer({ clock, otherMethods: OTHER_METHODS_AND_LISTEN });
  const chunks = await begun(await listen(scene, { exp: Math.floor(Date.now() / 1_000) + 1 }));
  const looks = vi.spyOn(scene.verifier, "recheck");
  clock.advance(10_000);
  await vi.waitFor(() => expect(looks.mock.settledResults.length).toBeGreaterThanOrEqual(2), { timeout: 10_000 });
  await scene.endStep();
  expect(await restOf(chunks)).toContain('"reason":"STEP_CLOSED"');
});
