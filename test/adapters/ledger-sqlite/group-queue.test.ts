import { expect, test } from "vitest";
import { createGroupQueue } from "../../../src/adapters/ledger-sqlite/group-queue.ts";
import type { Outcome } from "../../../src/adapters/ledger-sqlite/store.ts";
import { BrokerError } from "../../../src/domain/errors.ts";
import type { UnixMicros } from "../../../src/domain/time.ts";
import type { RecordIssuanceItem } from "../../../src/ports/issuance-acts.ts";
import type { LedgerAct } from "../../../src/ports/ledger-acts.ts";

type Hold = Extract<LedgerAct, { act: "hold-step" }>;

const judge = (): LedgerAct<"judge-steps"> => ({ act: "judge-steps", through: 0, judged: [], now: 1 as UnixMicros });

const hold = (stepId: string): Hold => ({ act: "hold-step", stepId, now: 1 as UnixMicros });

/** Of which the queue looks at the number of items alone. */
const issue = (count: number): LedgerAct<"record-issuances"> => ({
  act: "record-issuances",
  items: Array.from({ length: count }, () => ({}) as RecordIssuanceItem),
  now: 1 as UnixMicros,
});

const JUDGED = {
  kind: "judged",
  firstSequence: 1,
  sequence: 0,
  stepsClosed: 0,
  credentialsRevoked: 0,
  outdated: [],
} as const;

/** Commits when told to, and answers each act with the number that its step id is. */
function slowDisk() {
  const groups: {
    readonly acts: readonly LedgerAct[];
    readonly commit: () => void;
    readonly fail: (error: Error) => void;
  }[] = [];
  const answer = (act: LedgerAct): Outcome => {
    if (act.act === "judge-steps") return { kind: "done", result: JUDGED };
    if (act.act === "record-issuances") return { kind: "done", result: [] };
    const sequence = Number((act as Hold).stepId);
    return Number.isNaN(sequence)
      ? { kind: "failed", error: new BrokerError("LIMIT_EXCEEDED", "too large") }
      : { kind: "done", result: { kind: "sequenced", sequence } };
  };
  const queue = createGroupQueue(
    (acts) =>
      new Promise((resolve, reject) => {
        groups.push({ acts, commit: () => resolve(acts.map(answer)), fail: reject });
      }),
  );
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return { queue, groups, turn };
}

test("a single act does not wait for company, and what comes meanwhile goes together", async () => {
  const { queue, groups, turn } = slowDisk();
  const first = queue.perform(hold("1"));
  await turn();
  expect(groups.map((group) => group.acts.length)).toEqual([1]);
  const later = ["2", "3", "4"].map((id) => queue.perform(hold(id)));
  await turn();
  expect(groups).toHaveLength(1);
  groups[0]?.commit();
  expect(await first).toEqual({ kind: "sequenced", sequence: 1 });
  await turn();
  expect(groups.map((group) => group.acts.length)).toEqual([1, 3]);
  groups[1]?.commit();
  expect(await Promise.all(later)).toEqual([2, 3, 4].map((sequence) => ({ kind: "sequenced", sequence })));
});

test("a group has at most 512 acts, and the rest keep their order", async () => {
  const { queue, groups, turn } = slowDisk();
  const all = Array.from({ length: 1_100 }, (_, index) => queue.perform(hold(String(index))));
  for (let group = 0; group < 3; group += 1) {
    await turn();
    groups[group]?.commit();
  }
  await Promise.all(all);
  expect(groups.map((group) => group.acts.length)).toEqual([512, 512, 76]);
  expect(groups.flatMap((group) => group.acts.map((act) => Number((act as Hold).stepId)))).toEqual(
    Array.from({ length: 1_100 }, (_, index) => index),
  );
});

test("a group has at most 32 credentials to be signed, or one act with more, and the rest keep their order", async () => {
  const { queue, groups, turn } = slowDisk();
  const counts = [1, 20, 11, 1, 100, 31, 2];
  const all = counts.map((count) => queue.perform(issue(count)));
  for (let group = 0; group < 5; group += 1) {
    await turn();
    groups[group]?.commit();
  }
  await Promise.all(all);
  const sizes = groups.map(({ acts }) => acts.map((act) => (act.act === "record-issuances" ? act.items.length : 0)));
  expect(sizes).toEqual([[1, 20, 11], [1], [100], [31], [2]]);
});

test("the next group is on its way before anybody works on the answers to the last", async () => {
  const { queue, groups, turn } = slowDisk();
  const first = queue.perform(hold("1"));
  await turn();
  const second = queue.perform(hold("2"));
  const onTheWay = first.then(() => groups.length);
  groups[0]?.commit();
  expect(await onTheWay).toBe(2);
  groups[1]?.commit();
  await second;
});

test("judging steps anew lets one group of others go first, and no more than one, and shares none with them", async () => {
  const { queue, groups, turn } = slowDisk();
  const asked: Promise<unknown>[] = [queue.perform(hold("1"))];
  await turn();
  asked.push(queue.perform(judge()), queue.perform(judge()), queue.perform(hold("2")));
  for (let group = 0; group < 5; group += 1) {
    await turn();
    if (group < 3) asked.push(queue.perform(hold("3")));
    groups[group]?.commit();
  }
  await turn();
  groups[5]?.commit();
  await Promise.all(asked);
  expect(groups.map(({ acts }) => acts.map(({ act }) => act))).toEqual([
    ["hold-step"],
    ["hold-step", "hold-step"],
    ["judge-steps"],
    ["hold-step", "hold-step"],
    ["judge-steps"],
  ]);
});

test("an act that fails does so alone; a group that fails does so for all, and the next group is tried", async () => {
  const { queue, groups, turn } = slowDisk();
  const [one, bad, two] = ["1", "bad", "2"].map((id) => queue.perform(hold(id)));
  await turn();
  groups[0]?.commit();
  expect(await one).toEqual({ kind: "sequenced", sequence: 1 });
  await expect(bad).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  expect(await two).toEqual({ kind: "sequenced", sequence: 2 });

  const lost = ["3", "4"].map((id) => queue.perform(hold(id)));
  await turn();
  groups[1]?.fail(new BrokerError("LEDGER_UNAVAILABLE", "gone"));
  for (const one of lost) await expect(one).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  const after = queue.perform(hold("5"));
  await turn();
  groups[2]?.commit();
  expect(await after).toEqual({ kind: "sequenced", sequence: 5 });
});

test("what waits is bounded: beyond that an act is refused at once", async () => {
  const { queue, groups, turn } = slowDisk();
  const first = queue.perform(hold("0"));
  await turn();
  const waiting = Array.from({ length: 16_384 }, (_, index) => queue.perform(hold(String(index))));
  await expect(queue.perform(hold("1"))).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  while (groups.length < 33) {
    groups.at(-1)?.commit();
    await turn();
  }
  groups.at(-1)?.commit();
  await Promise.all([first, ...waiting]);
});

test("an end waits for what was asked for, and refuses what comes after", async () => {
  const { queue, groups, turn } = slowDisk();
  const first = queue.perform(hold("1"));
  const second = turn().then(() => groups[0]?.commit());
  const drained = queue.drain();
  await expect(queue.perform(hold("2"))).rejects.toMatchObject({ code: "NOT_SERVING" });
  await Promise.all([drained, second]);
  expect(await first).toEqual({ kind: "sequenced", sequence: 1 });
  await queue.drain();
});
