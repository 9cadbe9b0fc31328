import { expect, test } from "vitest";
import { keepReplicasTold } from "../../src/close/report-to-replicas.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { NodeName } from "../../src/domain/node-name.ts";
import type { ReceiptReport, ReplicaReport } from "../../src/domain/replica-report.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { virtualClock } from "../memory/virtual-clock.ts";

// Goal: the other brokers hear soon of what changes, of all of it, and no more often than they can bear.

function scene() {
  const clock = virtualClock(1_800_000_000 as UnixSeconds);
  const told: ReplicaReport[] = [];
  const listeners = new Set<() => void>();
  const onChange = (listener: () => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const now = {
    nodes: [] as NodeName[],
    position: 0,
    verifiers: [] as ReceiptReport["verifiers"],
    areKnown: true,
  };
  const end = keepReplicasTold({
    replicas: { report: (report) => void told.push(report) },
    nodes: { attended: () => now.nodes, onChange },
    receipts: {
      onChange,
      report(through) {
        if (!now.areKnown) throw new BrokerError("NOT_SERVING", "entries are behind");
        return { through, verifiers: now.verifiers, unknown: [] };
      },
    },
    notifier: {
      following: {
        position: () => now.position,
        reached: async () => true,
        refusal: () => undefined,
        end: () => undefined,
      },
      subscribe: () => ({ from: 0, unsubscribe: () => undefined }),
    },
    clock,
  });
  const changed = () => {
    for (const listener of listeners) listener();
  };
  return { clock, told, now, changed, end };
}

const last = ({ told }: ReturnType<typeof scene>) => told.at(-1);

test("what changes is told after a moment, once for all that changed in it, and then not before a pause", () => {
  const one = scene();
  expect(one.told).toHaveLength(1);
  one.clock.advance(1_000);
  one.now.nodes = ["build-7" as NodeName];
  one.changed();
  one.now.position = 5;
  one.changed();
  one.clock.advance(20);
  expect(one.told).toHaveLength(2);
  expect(last(one)).toEqual({ nodes: ["build-7"], receipts: { through: 5, verifiers: [], unknown: [] } });
  one.now.position = 6;
  one.changed();
  one.clock.advance(99);
  expect(one.told).toHaveLength(2);
  one.clock.advance(1);
  expect(last(one)?.receipts?.through).toBe(6);
});

test("what time alone changes is told within two seconds, and what does not change is not told", () => {
  const one = scene();
  one.clock.advance(10_000);
  expect(one.told).toHaveLength(1);
  one.now.verifiers = [{ entryId: "entry_1", applied: 5, isConnected: false }];
  one.clock.advance(2_000);
  expect(last(one)?.receipts?.verifiers).toHaveLength(1);
  one.end();
  expect(one.clock.pending()).toBe(0);
});

test("a large report is told less often", () => {
  const one = scene();
  one.now.verifiers = Array.from({ length: 1_000 }, (_, at) => ({
    entryId: `entry_${at}`,
    applied: 5,
    isConnected: true,
  }));
  one.clock.advance(2_000);
  const before = one.told.length;
  for (let ms = 0; ms < 4_000; ms += 20) {
    one.now.position += 1;
    one.changed();
    one.clock.advance(20);
  }
  expect(one.told.length - before).toBeLessThanOrEqual(4);
});

test("while it is not known which verifiers there are, nothing is said of them, and nodes are told of all the same", () => {
  const one = scene();
  one.clock.advance(1_000);
  one.now.areKnown = false;
  one.now.nodes = ["build-7" as NodeName];
  one.changed();
  one.clock.advance(100);
  expect(last(one)).toEqual({ nodes: ["build-7"] });
});
