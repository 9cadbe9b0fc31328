import { describe, expect, test } from "vitest";
import { fetchResponseOf } from "../../../src/sdk/mcp-guard/answer.ts";
import { rewrittenResult } from "../../../src/sdk/mcp-guard/rewritten-result.ts";

const EVENTS = { headers: { "content-type": "text/event-stream" } };
const JSON_BODY = { headers: { "content-type": "application/json", "content-length": "99" } };
const RESULT = '{"jsonrpc":"2.0","id":1,"result":{"a":1}}';
const REWRITTEN = '{"jsonrpc":"2.0","id":1,"result":{"a":2}}';

/** As whoever speaks `fetch` reads it. */
const rewritten = async (...given: Parameters<typeof rewrittenResult>) =>
  fetchResponseOf(await rewrittenResult(...given));

const twice = (result: { readonly [name: string]: unknown }) => ({ ...result, a: 2 });

function streamOf(...chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

describe("a result", () => {
  test("in a body of JSON is rewritten, and its old length forgotten", async () => {
    const answer = await rewritten(new Response(RESULT, { status: 200, ...JSON_BODY }), twice);
    expect([await answer.text(), answer.headers.get("content-length")]).toEqual([REWRITTEN, null]);
  });

  test.for([
    { lines: "\n", text: `event: message\nid: 7\ndata: ${RESULT}\n\n` },
    { lines: "\r\n", text: `event: message\r\nid: 7\r\ndata: ${RESULT}\r\n\r\n` },
    { lines: "\r", text: `event: message\rid: 7\rdata:${RESULT}\r\r` },
    { lines: "several of data", text: `event: message\nid: 7\ndata: ${RESULT.replace(",", ",\ndata: ")}\n\n` },
  ])("in an event with lines that end by $lines is rewritten, however it is cut", async ({ text }) => {
    const bytes = new TextEncoder().encode(text);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const body = streamOf(bytes.subarray(0, cut), bytes.subarray(cut));
      const answer = await rewritten(new Response(body, EVENTS), twice);
      expect((await answer.text()).replace(/^\n+|\n+$/g, "")).toBe(`event: message\nid: 7\ndata: ${REWRITTEN}`);
    }
  });

  test("is rewritten in each event that has one, and other events stay", async () => {
    const notice = '{"jsonrpc":"2.0","method":"notifications/progress"}';
    const error = '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}';
    const events = [": a comment", "id: 0\ndata: ", `data: ${notice}`, `data: ${RESULT}`, `data: ${error}`];
    const body = streamOf(new TextEncoder().encode([...events, ""].join("\n\n")));
    const answer = await rewritten(new Response(body, EVENTS), twice);
    const expected = events.map((event) => event.replace(RESULT, REWRITTEN));
    expect((await answer.text()).split("\n\n")).toEqual([...expected, ""]);
  });

  test("that its stream does not complete is not told", async () => {
    const body = streamOf(new TextEncoder().encode(`data: ${RESULT}\n`));
    expect(await (await rewritten(new Response(body, EVENTS), twice)).text()).toBe("");
  });
});

describe("an answer that can't be looked at is not passed on", () => {
  test.for([
    { what: "in an encoding", answer: () => new Response(RESULT, { headers: { "content-encoding": "gzip" } }) },
    { what: "that is not the JSON it says", answer: () => new Response(`${RESULT}x`, JSON_BODY) },
    { what: "that is a batch", answer: () => new Response(`[${RESULT}]`, JSON_BODY) },
    {
      what: "of a type that begins like JSON's",
      answer: () => new Response(RESULT, { headers: { "content-type": "application/json-x" } }),
    },
  ])("$what", async ({ answer }) => {
    await expect(rewritten(answer(), twice)).rejects.toThrow();
  });

  test("with an event that has a batch", async () => {
    const body = streamOf(new TextEncoder().encode(`data: [${RESULT}]\n\n`));
    const answer = await rewritten(new Response(body, EVENTS), twice);
    await expect(answer.text()).rejects.toThrow(TypeError);
  });

  test("but a refusal of the server's is, of whatever type, since no client reads a result in it", async () => {
    const refusal = new Response("no stream here", { status: 405, headers: { "content-type": "text/plain" } });
    expect(await (await rewritten(refusal, twice)).text()).toBe("no stream here");
  });

  test("with an event that is not JSON", async () => {
    const body = streamOf(new TextEncoder().encode(`data: ${RESULT}x\n\n`));
    const answer = await rewritten(new Response(body, EVENTS), twice);
    await expect(answer.text()).rejects.toThrow(SyntaxError);
  });
});

/** A server that sends the same without end, until it is stopped. */
function endless(text: string): { readonly body: ReadableStream<Uint8Array>; readonly stopped: Promise<unknown> } {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const chunk = new TextEncoder().encode(text);
  return {
    body: new ReadableStream({ pull: (controller) => controller.enqueue(chunk), cancel: resolve }),
    stopped: promise,
  };
}

describe("an answer that does not end is given up before it fills the memory, and its server is stopped", () => {
  const MIB = 1024 * 1024;

  test("in JSON", async () => {
    const { body, stopped } = endless(" ".repeat(MIB));
    await expect(rewritten(new Response(body, JSON_BODY), twice, ["a"])).rejects.toThrow(RangeError);
    await stopped;
  });

  test("in an event", async () => {
    const { body, stopped } = endless("x".repeat(MIB));
    const answer = await rewritten(new Response(body, EVENTS), twice, ["a"]);
    await expect(answer.text()).rejects.toThrow(RangeError);
    await stopped;
  });
});

// Were an event searched anew with each piece, this would keep everybody else waiting for minutes, and not be done in time.
test("an event of many small pieces costs no more than one of a few large ones", async () => {
  const [pieces, piece] = [6_144, "x".repeat(1_024)];
  let left = pieces;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      left -= 1;
      controller.enqueue(new TextEncoder().encode(left === 0 ? "\n\n" : piece));
      if (left === 0) controller.close();
    },
  });
  const answer = await rewritten(new Response(body, EVENTS), twice, ["a"]);
  expect((await answer.text()).length).toBe((pieces - 1) * piece.length + 2);
});

test("whoever leaves an answer leaves the handler's", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const body = new ReadableStream<Uint8Array>({ cancel: resolve });
  const answer = await rewritten(new Response(body, EVENTS), twice);
  await answer.body?.cancel("enough");
  await promise;
});
