import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { BrokerError } from "../../../src/domain/errors.ts";
import { StepState } from "../../../src/gen/stint/v1/types_pb.js";
import type { Grant } from "../../../src/sdk/runtime/index.ts";
import { collectGarbage } from "../../garbage.ts";
import { bodyOf, loopback } from "./loopback.ts";
import { type Script, scriptedBroker, thrownBy } from "./scripted-broker.ts";

const STEP = { runId: "run-1", step: "search" } as const;

function grantOf(...locations: string[]): Grant {
  return [{ type: "mcp_tool", locations, identifier: "search", actions: ["read"], datatypes: ["internal"] }];
}

/** A server that answers with the statuses in turn, 200 after them, and keeps what it was sent. */
async function server(...statuses: number[]) {
  const seen: { url: string; authorization: string; body: string }[] = [];
  const origin = await loopback(async (request, response) => {
    const { url = "", headers } = request;
    seen.push({ url, authorization: headers.authorization ?? "", body: await bodyOf(request) });
    response.writeHead(statuses.shift() ?? 200, { location: "/elsewhere" }).end("answer");
  });
  return { origin, seen };
}

async function openStep(script: Script, ...locations: string[]) {
  const broker = await scriptedBroker(script);
  const stint = broker.stint();
  const step = await stint.openStep({ ...STEP, grant: grantOf(...locations) });
  return { broker, stint, step };
}

describe("step.fetch", () => {
  test("authenticates with a JWT-SVID for the longest granted location, and keeps it", async () => {
    const { origin, seen } = await server();
    const { broker, step } = await openStep({}, origin, `${origin}/mcp`);
    const response = await step.fetch(`${origin}/mcp/x?y=1`, { method: "POST", body: "b", headers: { "x-a": "1" } });
    expect(await response.text()).toBe("answer");
    await step.fetch(new URL(`${origin}/mcp`));
    await step.fetch(new Request(`${origin}/other`));
    expect(broker.seen.minted.map(({ wanted }) => wanted?.audiences)).toEqual([[`${origin}/mcp`], [origin]]);
    expect(seen).toEqual([
      { url: "/mcp/x?y=1", authorization: expect.stringContaining(".secret1."), body: "b" },
      { url: "/mcp", authorization: expect.stringContaining(".secret1."), body: "" },
      { url: "/other", authorization: expect.stringContaining(".secret2."), body: "" },
    ]);
  });

  test("sends nothing where no granted location reaches", async () => {
    const { origin, seen } = await server();
    const { broker, step } = await openStep({}, `${origin}/mcp`);
    expect(await thrownBy(step.fetch(`${origin}/mcpx`))).toMatchObject({ reason: "NO_LOCATION" });
    expect(seen).toEqual([]);
    expect(broker.seen.minted).toEqual([]);
  });

  test("does not mix with credentials of the caller's", async () => {
    const { origin, seen } = await server();
    const { step } = await openStep({}, origin);
    const headers = { Authorization: "Bearer other" };
    const refused = { reason: "AUTHORIZATION_GIVEN" };
    expect(await thrownBy(step.fetch(origin, { headers }))).toMatchObject(refused);
    expect(await thrownBy(step.fetch(new Request(origin, { headers })))).toMatchObject(refused);
    expect(seen).toEqual([]);
  });

  test.for([301, 302, 303, 307, 308])("refuses to follow a redirect of %i", async (status) => {
    const { origin, seen } = await server(status);
    const { step } = await openStep({}, origin);
    const thrown = await thrownBy(step.fetch(origin, { redirect: "follow" }));
    expect(thrown).toMatchObject({ reason: "REDIRECT_REFUSED", metadata: { status: String(status) } });
    expect(seen).toHaveLength(1);
  });

  test.for([
    { body: "a string", init: () => "sent" },
    { body: "bytes", init: () => new TextEncoder().encode("sent") },
    { body: "a blob", init: () => new Blob(["sent"]) },
    { body: "parameters", init: () => new URLSearchParams("sent") },
  ])("answers a 401 to $body with one new JWT-SVID", async ({ init }) => {
    const { origin, seen } = await server(401);
    const { step } = await openStep({}, origin);
    const response = await step.fetch(origin, { method: "POST", body: init() });
    expect(response.status).toBe(200);
    expect(seen.map(({ authorization }) => /secret\d/.exec(authorization)?.[0])).toEqual(["secret1", "secret2"]);
    expect(seen[1]?.body).toBe(seen[0]?.body);
  });

  test("gives the second 401 as it is", async () => {
    const { origin, seen } = await server(401, 401, 401);
    const { step } = await openStep({}, origin);
    expect((await step.fetch(origin)).status).toBe(401);
    expect(seen).toHaveLength(2);
  });

  test("gives the first 401 when the body cannot be sent again", async () => {
    const { origin, seen } = await server(401, 401);
    const { broker, step } = await openStep({}, origin);
    const stream = { method: "POST", body: new Blob(["sent"]).stream(), duplex: "half" } as RequestInit;
    expect((await step.fetch(origin, stream)).status).toBe(401);
    expect((await step.fetch(new Request(origin, { method: "POST", body: "sent" }))).status).toBe(401);
    expect(seen.map(({ body }) => body)).toEqual(["sent", "sent"]);
    expect(broker.seen.minted).toHaveLength(1);
  });

  test("says that the step is closed when the server knew it first", async () => {
    const { origin } = await server(401);
    const closed = new BrokerError("STEP_CLOSED", "the step is REVOKED", { metadata: { state: "REVOKED" } });
    const script: Script = {
      jwtSvid: (_request, mint) => {
        if (mint === 2) throw closed;
      },
    };
    const { step } = await openStep(script, origin);
    expect(await thrownBy(step.fetch(origin))).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "REVOKED" } });
    expect(step.signal.aborted).toBe(true);
  });

  test("is stopped by the end of the step, and by its caller", async () => {
    const arrived = Promise.withResolvers<void>();
    let requests = 0;
    const origin = await loopback(() => {
      requests += 1;
      if (requests === 2) arrived.resolve();
    });
    const { broker, step } = await openStep({}, origin);
    const caller = new AbortController();
    const why = new Error("enough");
    const stopped = thrownBy(step.fetch(origin, { signal: caller.signal }));
    const ended = thrownBy(step.fetch(origin));
    await arrived.promise;
    caller.abort(why);
    expect(await stopped).toBe(why);
    broker.end(step.stepId, StepState.REVOKED);
    expect(await ended).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "REVOKED" } });
  });

  test("stops a body that is still coming when the step ends", async () => {
    const origin = await loopback((_request, response) => {
      response.writeHead(200).write("first");
    });
    const { broker, step } = await openStep({}, origin);
    const response = await step.fetch(origin);
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("first");
    const rest = reader?.read() ?? Promise.resolve();
    broker.end(step.stepId, StepState.SUPERSEDED);
    expect(await thrownBy(rest)).toMatchObject({ metadata: { state: "SUPERSEDED" } });
  });

  test("stops such a body for its caller too, whatever was collected meanwhile", async () => {
    const origin = await loopback((_request, response) => {
      response.writeHead(200).write("first");
    });
    const { step } = await openStep({}, origin);
    const caller = new AbortController();
    const response = await step.fetch(origin, { signal: caller.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    const rest = reader?.read() ?? Promise.resolve();
    await collectGarbage();
    caller.abort(new Error("enough"));
    expect(await thrownBy(rest)).toEqual(new Error("enough"));
  });

  test("is what stint.fetch is inside of withStep, and ends with it", async () => {
    const { origin, seen } = await server();
    const broker = await scriptedBroker();
    const stint = broker.stint();
    const left = new EventTarget();
    const late = await stint.withStep({ ...STEP, grant: grantOf(origin) }, async () => {
      await stint.fetch(origin);
      return { outcome: once(left, "left").then(() => thrownBy(stint.fetch(origin))) };
    });
    left.dispatchEvent(new Event("left"));
    expect(await late.outcome).toMatchObject({ reason: "STEP_CLOSED" });
    expect(seen).toHaveLength(1);
  });
});
