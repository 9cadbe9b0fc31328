import { expect, onTestFinished, test } from "vitest";
import { createVerifier } from "../../../src/sdk/verifier/index.ts";
import { bundleDocument, ecSigner, ISSUER, mint } from "../../verify/token-forge.ts";
import { bundle, pong, snapshot } from "../verifier/feed-responses.ts";
import { manualClock } from "../verifier/manual-clock.ts";
import { scriptedBroker } from "../verifier/scripted-broker.ts";
import { searchGrant } from "./scene.ts";
import { SDK_LINES } from "./sdk-lines.ts";

// Calls by steps of a foreign trust domain whose grants count here.

const RESOURCE = "https://mcp.example.org/mcp";
const own = ecSigner("own");
const foreign = ecSigner("foreign");
const FOREIGN = { trustDomain: "spiffe://example.com", issuer: "https://stint.example.com", federated: true };
const AGENT = "spiffe://example.com/agent/researcher";

test.for(SDK_LINES)(
  "end with their token, since nobody tells of the step's end: MCP SDK $version",
  async ({ line }) => {
    const broker = await scriptedBroker();
    const clock = manualClock(Date.now());
    const verifier = createVerifier({
      ...{ endpoint: broker.socket, audiences: [RESOURCE], clock },
      grantsFrom: ["example.com"],
    });
    onTestFinished(() => verifier.close());
    const watch = await broker.nextWatch();
    watch.send(snapshot([], "c1"), bundle(bundleDocument(own), { issuer: ISSUER }));
    watch.send(bundle(bundleDocument(foreign), FOREIGN));
    const confirm = async () => {
      watch.send(pong((await watch.next("ping")).nonce, clock.wallMs()));
    };
    await confirm();
    await verifier.ready();

    const tools = { wait: { actions: ["read"], datatypes: ["internal"] } } as const;
    const guard = line.createGuard({ verifier, resource: RESOURCE, issuer: ISSUER, tools });
    const begun = Promise.withResolvers<void>();
    const mcp = line.serve(() => begun.resolve());
    onTestFinished(() => mcp.close());
    const now = Math.floor(clock.wallMs() / 1_000);
    const times = { iat: now, nbf: now - 5, exp: now + 2 };
    const names = { iss: FOREIGN.issuer, sub: `${AGENT}/run/r1/step/search/1`, client_id: AGENT, aud: [RESOURCE] };
    const token = mint(foreign, { claims: { ...names, ...times, ...searchGrant(RESOURCE, "wait") } });
    const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "wait", arguments: {} } };
    const headers = {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    };
    const request = new Request(RESOURCE, { method: "POST", headers, body: JSON.stringify(message) });
    const answer = guard.fetch(request, mcp.fetch);
    await begun.promise;
    clock.advance(7_001);
    expect(await (await answer).text()).toContain('"reason":"EXPIRED"');
  },
);
