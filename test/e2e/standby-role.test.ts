import { afterAll, beforeAll, expect, test } from "vitest";
import { append, type CompactRange, EMPTY_RANGE, leafHash, rootOf } from "../../src/domain/merkle-tree.ts";
import { Entries } from "../../src/gen/stint/v1/entries_pb.js";
import { History } from "../../src/gen/stint/v1/history_pb.js";
import { Ledger, type LedgerPage } from "../../src/gen/stint/v1/ledger_pb.js";
import { Revocations } from "../../src/gen/stint/v1/revocations_pb.js";
import { Risk } from "../../src/gen/stint/v1/risk_pb.js";
import { Status } from "../../src/gen/stint/v1/status_pb.js";
import type { CallError } from "../../src/wire/call-error.ts";
import { createClient } from "../../src/wire/client.ts";
import type { Caller } from "../conformance/broker-scene.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { OWN_ENTRIES } from "./one-user.ts";
import { type Operator, operatorOf } from "./operator.ts";
import { REMOTE_ENDPOINTS, remoteOperator } from "./remote-operator.ts";

// Goal: the role standby reads the ledger as a stream that anybody can check, and does nothing else.

let daemon: Daemon;
let operator: Operator;
let standby: Caller;
let viewer: Caller;

beforeAll(async () => {
  const remote = (name: string, role: string) => ({
    ...{ kind: "operator", name, role },
    selectors: [`join_token:name:${name}`],
  });
  const own = { kind: "operator", name: "local", selectors: [`unix:uid:${process.getuid?.()}`], role: "admin" };
  daemon = await startDaemon({
    entries: [...OWN_ENTRIES, own, remote("second", "standby"), remote("auditor", "viewer")],
    config: REMOTE_ENDPOINTS,
  });
  operator = operatorOf(daemon.operatorSocket);
  [standby, viewer] = await Promise.all([
    remoteOperator(daemon, operator, "second"),
    remoteOperator(daemon, operator, "auditor"),
  ]);
});
afterAll(async () => {
  for (const client of [standby, viewer, operator]) client?.[Symbol.dispose]();
  await daemon?.[Symbol.asyncDispose]();
});

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

async function pagesFrom(afterSequence: bigint, until: (page: LedgerPage) => boolean): Promise<readonly LedgerPage[]> {
  const pages: LedgerPage[] = [];
  for await (const { message } of standby.clientOf(Ledger).follow({ afterSequence })) {
    if (message.case !== "page") continue;
    pages.push(message.value);
    if (until(message.value)) {
      // It is known by name for as long as it follows.
      const { standbys } = await createClient(Status, operator.channel).get({});
      expect(standbys.map(({ name }) => name)).toEqual(["second"]);
      break;
    }
  }
  return pages;
}

test("who does not follow any more is told of no more", async () => {
  await pagesFrom(0n, () => true);
  await expect.poll(async () => (await createClient(Status, operator.channel).get({})).standbys).toEqual([]);
});

test("the stream has every event from its beginning, and each page the root that its events give", async () => {
  const { sequence } = await operator.ledger.get({});
  let range: CompactRange = EMPTY_RANGE;
  for (const page of await pagesFrom(0n, (page) => page.sequence >= sequence)) {
    range = page.events.reduce<CompactRange>((tree, event) => append(tree, leafHash(event)).range, range);
    if (range.size > 0) expect(hex(page.rootHash)).toBe(hex(rootOf(range)));
    expect([page.sequence, page.newestSequence >= page.sequence]).toEqual([BigInt(range.size), true]);
  }
  expect(BigInt(range.size)).toBeGreaterThanOrEqual(sequence);
});

test("it goes on with what is recorded, and says where it is where nothing is", async () => {
  const { sequence, epoch, rootHash } = await operator.ledger.get({});
  let isAsked = false;
  const pages = await pagesFrom(sequence, ({ events }) => {
    // The first page says where the caller is, the second that nothing has come since.
    if (events.length === 0 && !isAsked) void operator.joinTokens.create({ name: "another" });
    isAsked ||= events.length === 0;
    return events.some((event) => Buffer.from(event).includes('"another"'));
  });
  expect(pages[0]).toMatchObject({ events: [], sequence, epoch, rootHash });
  expect(pages.length).toBeGreaterThan(1);
});

test("whoever has more than the ledger is told where that ends, and no more", async () => {
  const { sequence, rootHash } = await operator.ledger.get({});
  const pages = await pagesFrom(sequence + 1_000n, () => false);
  expect(pages).toMatchObject([{ events: [], newestSequence: pages[0]?.sequence }]);
  if (pages[0]?.sequence === sequence) expect(pages[0].rootHash).toEqual(rootHash);
});

test("it may take a copy, and nothing else that operators may", async () => {
  let bytes = 0;
  for await (const { message } of standby.clientOf(Ledger).backup({})) {
    if (message.case === "chunk") bytes += message.value.length;
  }
  expect(bytes).toBeGreaterThan(0);
  const ledger = standby.clientOf(Ledger);
  const calls = [
    () => ledger.get({}),
    () => ledger.getCheckpoint({}),
    () => ledger.prove({ subject: { case: "sequence", value: 1n } }),
    () => ledger.acceptRestore({ reason: "r" }),
    () => ledger.verify({}).next(),
    () => standby.clientOf(History).listEvents({}),
    () => standby.clientOf(History).listSteps({}),
    () => standby.clientOf(History).export({}).next(),
    () => standby.clientOf(Entries).list({}),
    () => standby.clientOf(Status).get({}),
    () => standby.clientOf(Risk).list({}),
    () => standby.clientOf(Revocations).revoke({ reason: "r", target: { case: "stepId", value: "step_1" } }),
  ];
  for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  expect((await standby.steps.list({})).steps).toEqual([]);
});

test("a checkpoint that the ledger continues, or that somebody made up, changes nothing", async () => {
  const { checkpoint } = await operator.ledger.getCheckpoint({});
  const made = checkpoint.replace(/\n\d+\n/, "\n99999\n");
  for (const shown of [checkpoint, made, "no note", "\n\n"]) {
    const stream = standby.clientOf(Ledger).follow({ afterSequence: 0n, checkpoint: shown });
    expect((await stream.next()).value?.message.case).toBe("page");
    await stream.return?.();
  }
  expect((await operator.ledger.get({})).suspendedBecause).toEqual([]);
});

test("no other role but admin has the stream", async () => {
  await expect(viewer.clientOf(Ledger).follow({ afterSequence: 0n }).next()).rejects.toMatchObject({
    reason: "NOT_ENTITLED",
  });
  const stream = operator.ledger.follow({ afterSequence: 0n });
  expect((await stream.next()).value?.message.case).toBe("page");
  await stream.return?.();
});

test("four follow at one time; a fifth is told so, and comes in when one has gone", async () => {
  const inside: Pick<AsyncIterator<unknown>, "return">[] = [];
  const enters = async () => {
    const stream = operator.ledger.follow({ afterSequence: 0n });
    const { reason } = (await stream.next().catch((thrown: CallError) => thrown)) as { reason?: string };
    if (reason === undefined) inside.push(stream);
    return reason ?? "inside";
  };
  // Whoever has just gone may not be missed yet.
  for (let count = 1; count <= 4; count += 1) await expect.poll(enters).toBe("inside");
  expect(await enters()).toBe("LIMIT_EXCEEDED");
  await inside[0]?.return?.();
  await expect.poll(enters).toBe("inside");
  for (const one of inside) await one.return?.();
});
