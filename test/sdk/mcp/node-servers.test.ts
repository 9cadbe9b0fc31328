import { once } from "node:events";
import { createSecureServer, connect as http2Connect } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { answerOf, PROTOCOLS, type Sent } from "../mcp-guard/protocols.ts";
import { certificateHash, makePeer } from "./peer-certificate.ts";
import { guardedServer, STEP_ID } from "./scene.ts";

const callOf = (name: string) =>
  JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name, arguments: {} } });
const TYPES = [
  ["content-type", "application/json"],
  ["accept", "application/json, text/event-stream"],
] as const;

/** What clients of the official SDK send; none of them speaks HTTP/2. */
function postOf(...tokens: readonly string[]): Sent {
  const authorization = tokens.map((token) => ["authorization", `Bearer ${token}`] as const);
  return { method: "POST", headers: [...TYPES, ...authorization] };
}

describe.for(PROTOCOLS)("a guarded MCP server behind a Node server of $protocol", ({ serve }) => {
  test("serves a call and refuses one outside of the grant", async () => {
    const { listener, token } = await guardedServer();
    const begin = await serve(listener);
    const served = await answerOf(begin(postOf(token())), callOf("search"));
    expect(served).toMatchObject({ status: 200, text: expect.stringContaining(`search for ${STEP_ID}`) });
    const refused = await answerOf(begin(postOf(token())), callOf("erase"));
    expect(refused).toMatchObject({ status: 403, text: expect.stringContaining("GRANT_EXCEEDED") });
  });

  test("refuses two Authorization headers, whichever of them would do", async () => {
    const { listener, token, foreignToken, calls } = await guardedServer();
    const begin = await serve(listener);
    for (const tokens of [
      [token(), foreignToken()],
      [foreignToken(), token()],
    ]) {
      expect(await answerOf(begin(postOf(...tokens)), callOf("search"))).toMatchObject({ status: 400 });
    }
    expect(calls).toEqual([]);
  });
});

test("a guarded MCP server takes over HTTP/2 the token that is bound to the certificate of its connection", async () => {
  const [peer, client, other] = [makePeer("127.0.0.1"), makePeer("client"), makePeer("other")];
  const scene = await guardedServer({ tls: peer });
  const token = scene.token({ cnf: { "x5t#S256": certificateHash(client) } });
  const server = createSecureServer({ ...peer, requestCert: true, rejectUnauthorized: false }, scene.listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const statuses: unknown[] = [];
  for (const shown of [client, other, {}]) {
    const session = http2Connect(origin, { ca: peer.cert, ...shown });
    const headers = { ":method": "POST", ":path": "/mcp", authorization: `Bearer ${token}` };
    const stream = session.request({ ...headers, ...Object.fromEntries(TYPES) });
    stream.end(callOf("search"));
    const [head] = await once(stream, "response");
    statuses.push(head[":status"]);
    session.destroy();
  }
  expect(statuses).toEqual([200, 401, 401]);
});
