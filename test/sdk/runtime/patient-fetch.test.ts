import { once } from "node:events";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Grant } from "../../../src/sdk/runtime/index.ts";
import { patientFetch } from "../../../src/sdk/runtime/patient-fetch.ts";
import { serverInHand } from "../mcp-guard/server-in-hand.ts";
import { bodyOf, loopback } from "./loopback.ts";
import { scriptedBroker } from "./scripted-broker.ts";

const SECONDS = 1_000;
const MINUTES = 60 * SECONDS;
/** Of one token, in seconds. */
const TTL = 120;

describe("what a step's requests go through", () => {
  test("is not the global fetch, which gives up after five minutes of silence, unless that is wanted", async () => {
    const origin = await loopback(async (_request, response) => void response.end("answer"));
    const globally: string[] = [];
    vi.stubGlobal("fetch", async (request: Request) => {
      globally.push(request.url);
      return new Response("global");
    });
    onTestFinished(() => void vi.unstubAllGlobals());
    const grant: Grant = [
      { type: "mcp_tool", locations: [origin], identifier: "search", actions: ["read"], datatypes: ["internal"] },
    ];
    const broker = await scriptedBroker();
    const patient = await broker.stint().openStep({ runId: "r", step: "one", grant });
    expect(await (await patient.fetch(origin)).text()).toBe("answer");
    const chosen = await broker.stint({ fetch: globalThis.fetch }).openStep({ runId: "r", step: "two", grant });
    expect(await (await chosen.fetch(`${origin}/chosen`)).text()).toBe("global");
    expect(globally).toEqual([`${origin}/chosen`]);
  });

  test("answers as fetch does", async () => {
    const origin = await loopback(async (request, response) => {
      response.writeHead(207, "Many", [
        ["x-length", request.headers["content-length"] ?? "none"],
        ["x-encoding", String(request.headers["accept-encoding"])],
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
      ]);
      response.end(await bodyOf(request));
    });
    const response = await patientFetch(`${origin}/path?q`, { method: "POST", body: new URLSearchParams({ a: "1" }) });
    expect(response).toMatchObject({ status: 207, statusText: "Many", ok: true, url: `${origin}/path?q` });
    expect(Object.fromEntries(response.headers)).toMatchObject({ "x-length": "3", "x-encoding": "identity" });
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(await response.text()).toBe("a=1");
  });

  test("fails as fetch does where nobody listens, and says why", async () => {
    const origin = await loopback(async () => undefined);
    const closed = new URL(origin);
    closed.port = "1";
    const thrown: unknown = await patientFetch(closed).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(TypeError);
    expect(thrown).toMatchObject({ message: "fetch failed", cause: { code: "ECONNREFUSED" } });
  });

  test("sends a long body as it comes, and before its end is known", async () => {
    const half = new Uint8Array(1_200_000).fill(0x61);
    const firstHalfRead = Promise.withResolvers<void>();
    const origin = await loopback(async (request, response) => {
      let bytes = 0;
      for await (const chunk of request as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes >= half.length) firstHalfRead.resolve();
      }
      response.end(`${bytes} ${request.headers["transfer-encoding"]}`);
    });
    async function* halves() {
      yield half;
      // Only what is sent before can have it go on.
      await firstHalfRead.promise;
      yield half;
    }
    const body = ReadableStream.from(halves());
    const response = await patientFetch(origin, { method: "POST", body, duplex: "half" } as RequestInit);
    expect(await response.text()).toBe(`${2 * half.length} chunked`);
  });

  test("gives an answer in an encoding that nobody asked for as it is", async () => {
    const packed = gzipSync("packed");
    const origin = await loopback(async (_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(packed);
    });
    expect(Buffer.from(await (await patientFetch(origin)).arrayBuffer())).toEqual(packed);
  });
});

describe("a step of ten minutes", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] }));
  afterEach(() => void vi.useRealTimers());

  async function longStep(location: string) {
    const broker = await scriptedBroker({ ttl: TTL });
    const expiresAt = new Date(Date.now() + 20 * MINUTES);
    const grant: Grant = [
      { type: "mcp_tool", locations: [location], identifier: "search", actions: ["read"], datatypes: ["internal"] },
    ];
    return { broker, step: await broker.stint().openStep({ runId: "r", step: "s", grant, expiresAt }) };
  }

  test("sends each request with a token that lives, whenever it is sent", async () => {
    const sent: { readonly token: string; readonly at: number }[] = [];
    const origin = await loopback(async ({ headers }, response) => {
      sent.push({ token: String(headers.authorization), at: Date.now() });
      response.end();
    });
    const { broker, step } = await longStep(origin);
    const mintedAt: number[] = [];
    for (let minute = 0; minute <= 10; minute += 1) {
      const before = broker.seen.minted.length;
      await (await step.fetch(origin)).text();
      for (let index = before; index < broker.seen.minted.length; index += 1) mintedAt.push(Date.now());
      await vi.advanceTimersByTimeAsync(MINUTES);
    }
    expect(sent).toHaveLength(11);
    for (const { token, at } of sent) {
      const index = Number(/secret(\d+)/.exec(token)?.[1]) - 1;
      expect(at - (mintedAt[index] ?? 0)).toBeLessThan(TTL * SECONDS);
    }
  });

  test("waits ten minutes for one answer, and reads ten minutes of it, with a token that has long expired", async () => {
    const { url, next } = await serverInHand();
    const { step } = await longStep(url);
    const asked = next();
    const answered = step.fetch(url);
    const response = await asked;
    await vi.advanceTimersByTimeAsync(10 * MINUTES);
    response.writeHead(200).write("begun, ");
    const reader = (await answered).body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("begun, ");
    await vi.advanceTimersByTimeAsync(9 * MINUTES);
    const rest = reader?.read();
    response.end("ended");
    expect(new TextDecoder().decode((await rest)?.value)).toBe("ended");
  });

  test("goes on by a new token where one is refused in the middle", async () => {
    const refusals = [false, true, false, false];
    const tokens: string[] = [];
    const origin = await loopback(async ({ headers }, response) => {
      tokens.push(String(headers.authorization));
      response.writeHead(refusals.shift() === true ? 401 : 200).end("answer");
    });
    const { step } = await longStep(origin);
    await (await step.fetch(origin)).text();
    await vi.advanceTimersByTimeAsync(5 * SECONDS);
    expect((await step.fetch(origin)).status).toBe(200);
    expect(tokens).toHaveLength(3);
    expect(tokens[0]).toBe(tokens[1]);
    expect(tokens[2]).not.toBe(tokens[1]);
    const step2 = once(step.signal, "abort");
    await step.close();
    await step2;
  });
});
