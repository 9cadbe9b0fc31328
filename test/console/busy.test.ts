import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ListStepsRequestSchema, ListStepsResponseSchema } from "../../src/gen/stint/v1/history_pb.js";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { runtimeAt } from "../e2e/one-user.ts";
import { operatorOf } from "../e2e/operator.ts";
import { ENTRIES, startConsole } from "./console-scene.ts";

// Goal: while the ledger grows without a pause, pages are content with what another was told a moment ago, and nobody is told what is not for
// them. Method: a real daemon, asked as pages ask.

const LIST = "/console/api/stint.v1.History/ListSteps";
const request = create(ListStepsRequestSchema, { states: [StepState.OPEN], filter: { pageSize: 50 } });
const body = toBinary(ListStepsRequestSchema, request);

test("an answer is shared for as long as a page is content with it, and with nobody who is not content", async () => {
  await using scene = await startConsole();
  using runtime = runtimeAt(scene.daemon().workloadSocket);
  const cookies = [await scene.signedIn(), await scene.signedIn()];
  async function openSteps(cookie: string | undefined, more: Readonly<Record<string, string>> = {}): Promise<number> {
    const headers = {
      "content-type": "application/proto",
      "connect-protocol-version": "1",
      origin: scene.url,
      cookie: cookie ?? "",
      ...more,
    };
    const answer = await fetch(`${scene.url}${LIST}`, { method: "POST", headers, body });
    expect(answer.status).toBe(200);
    return fromBinary(ListStepsResponseSchema, new Uint8Array(await answer.arrayBuffer())).steps.length;
  }
  const content = { "cache-control": "max-age=999" };
  await runtime.open();
  expect(await openSteps(cookies[0], content)).toBe(1);
  await runtime.open();
  // Another page of the same operator; the same question.
  expect(await openSteps(cookies[1], content)).toBe(1);
  expect(await openSteps(cookies[1])).toBe(2);
});

test("what one operator was told is not told to whoever is none any more", async () => {
  const spare = { kind: "operator", name: "spare", selectors: ["unix:uid:4242"], role: "admin" };
  await using scene = await startConsole({ entries: [...ENTRIES, spare] });
  using operator = operatorOf(scene.daemon().operatorSocket);
  const cookie = await scene.signedIn();
  const headers = {
    "content-type": "application/proto",
    "connect-protocol-version": "1",
    "cache-control": "max-age=999",
    cookie,
  };
  const ask = () => scene.ask(LIST, { method: "POST", headers, body });
  expect((await ask()).status).toBe(200);
  await operator.entries.disable({ entry: "operator/night-shift" });
  const { status, body: told } = await ask();
  expect(status).toBe(403);
  expect(JSON.parse(told).message).toBe("no operator's entry matches whoever signed in");
});
