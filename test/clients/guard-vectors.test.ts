import { writeFileSync } from "node:fs";
import process from "node:process";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { expect, onTestFinished, test } from "vitest";
import { WatchResponseSchema } from "../../src/gen/stint/v1/revocations_pb.js";
import { createMcpGuard, type McpGuard, type ToolNeeds } from "../../src/sdk/mcp/index.ts";
import { createVerifier } from "../../src/sdk/verifier/index.ts";
import { pong } from "../sdk/verifier/feed-responses.ts";
import { manualClock } from "../sdk/verifier/manual-clock.ts";
import { scriptedBroker } from "../sdk/verifier/scripted-broker.ts";
import { GUARD_DRAFTS, GUARD_FRAME } from "./guard-cases.ts";
import {
  GUARD_FILE,
  type GuardCase,
  type GuardFeed,
  type GuardVectors,
  guardVectors,
  SERVED,
  SHOWN_HEADERS,
} from "./guard-vectors.ts";

// The same file is run by the suites of the clients in other languages.

type Frame = Omit<GuardVectors, "cases">;

async function guardOf(frame: Frame, feed: GuardFeed, proof: GuardCase["proof"]): Promise<McpGuard> {
  const broker = await scriptedBroker();
  const clock = manualClock(frame.now_ms);
  const verifier = createVerifier({ endpoint: broker.socket, audiences: [frame.resource], clock });
  onTestFinished(() => verifier.close());
  const watch = await broker.nextWatch();
  const message = (name: keyof Frame["messages"]) => fromJson(WatchResponseSchema, frame.messages[name] as JsonValue);
  watch.send(message("bundle"), message("snapshot"));
  await watch.next("acknowledge");
  if (feed !== "not ready") {
    watch.send(pong((await watch.next("ping")).nonce, clock.wallMs(), "c2"));
    await watch.next("acknowledge");
  }
  if (feed === "step denied") {
    watch.send(message("denied"));
    await watch.next("acknowledge");
  }
  if (feed === "16 s old") clock.advance(16_000);
  if (feed === "61 s old") clock.advance(61_000);
  return createMcpGuard({
    verifier,
    resource: frame.resource,
    issuer: frame.issuer,
    tools: frame.tools as Readonly<Record<string, ToolNeeds>>,
    maxBodyBytes: frame.max_body_bytes,
    ...(proof === undefined ? { proof: "none" } : { proof: "accepted", proofKinds: [proof] }),
  });
}

async function answerTo(
  frame: Frame,
  { feed, proof, again, request, served }: Omit<GuardCase, "name" | "expected">,
): Promise<GuardCase["expected"]> {
  const guard = await guardOf(frame, feed, proof);
  const url = new URL(request.path, frame.resource);
  const headers = new Headers(request.headers.map(([name, value]): [string, string] => [name, value]));
  const { method, body } = request;
  const ask = () =>
    guard.fetch(new Request(url, { method, headers, ...(body !== undefined && { body }) }), () =>
      Promise.resolve(served === undefined ? Response.json(SERVED) : new Response(served.body, served)),
    );
  if (again) await ask();
  const response = await ask();
  const shown = SHOWN_HEADERS.flatMap((name) => {
    const value = response.headers.get(name);
    return value === null ? [] : [[name, value]];
  });
  const text = await response.text();
  const isEvents = response.headers.get("content-type") === "text/event-stream";
  const said = isEvents ? dataOf(text) : text === "" ? null : JSON.parse(text);
  return { status: response.status, headers: Object.fromEntries(shown), body: said };
}

/** The data of each event that has any; a guard writes lines that end with a line feed. */
function dataOf(text: string): readonly unknown[] {
  const events = text.split("\n\n").map((event) =>
    event
      .split("\n")
      .filter((line) => line.startsWith("data:"))
      .map((line) => line.slice("data:".length).trim())
      .join("\n"),
  );
  return events.filter((data) => data !== "").map((data) => JSON.parse(data) as unknown);
}

if (process.env["WRITE_VECTORS"] === undefined) {
  const { cases, ...frame } = guardVectors();
  test.for(cases)("the guard: $name", async (one) => {
    expect(await answerTo(frame, one)).toEqual(one.expected);
  });
} else {
  test("the cases are written", async () => {
    const cases: GuardCase[] = [];
    for (const { is, ...draft } of GUARD_DRAFTS) {
      const expected = await answerTo(GUARD_FRAME, draft);
      const { error } = (expected.body ?? {}) as { readonly error?: { readonly data: { readonly reason: string } } };
      const was = [expected.status, ...(error === undefined ? [] : [error.data.reason])].join(" ");
      expect(was, draft.name).toBe(is);
      cases.push({ ...draft, expected });
    }
    writeFileSync(GUARD_FILE, `${JSON.stringify({ ...GUARD_FRAME, cases }, undefined, 1)}\n`);
  });
}
