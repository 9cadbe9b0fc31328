import { beforeEach, expect, test, vi } from "vitest";
import { createNodeAttestor, type NodeAttestor } from "../../../src/adapters/attestor-node/node-attestor.ts";
import type { NodeName } from "../../../src/domain/node-name.ts";
import type { NodeFacts, NodeReport } from "../../../src/domain/node-report.ts";
import { type ProcessIdentity, processOfNode } from "../../../src/domain/process.ts";
import { type Selector, selector } from "../../../src/domain/selector.ts";
import type { UnixSeconds } from "../../../src/domain/time.ts";
import type { NodeLink } from "../../../src/ports/nodes.ts";
import { type VirtualClock, virtualClock } from "../../memory/virtual-clock.ts";

// Goal: a node is believed for its own machine alone, and for as long as it is there, or may come back.

const [ONE, TWO] = ["one", "two"] as [NodeName, NodeName];
const NOW = 1_700_000_000 as UnixSeconds;
const WANTED = { executableDigest: false };
const UID = selector("unix:uid", 1_000);

const processWith = (pid: number): ProcessIdentity => ({
  bootId: "00000000-0000-4000-8000-000000000001",
  pidNamespace: "4026531836",
  pid,
  startTimeTicks: 7 * pid,
});
const factsOf = (pid: number, selectors: readonly Selector[] = [UID]): NodeFacts => ({
  process: processWith(pid),
  uid: 1_000,
  selectors: new Set(selectors),
  lineage: { kind: "lineage", chain: [{ process: processWith(pid) }, { process: processWith(1) }] },
  place: { session: 3 },
});
const reportOf = (pid: number, more: Partial<NodeReport> = {}): NodeReport => ({
  caller: factsOf(pid),
  sharesPids: true,
  unavailable: [],
  ancestors: [processWith(1)],
  ...more,
});

let clock: VirtualClock;
let away: NodeAttestor;

beforeEach(() => {
  clock = virtualClock(NOW);
  away = createNodeAttestor({ clock });
});

/** A node that notes what it is asked. */
function link() {
  const asked: string[] = [];
  const one: NodeLink = {
    watch: ({ pid, bootId }) => void asked.push(`watch ${pid} ${bootId.slice(0, 4)}`),
    unwatch: ({ pid }) => void asked.push(`unwatch ${pid}`),
    replaced: () => void asked.push("replaced"),
  };
  return { ...one, asked };
}

function watched(node: NodeName, pid: number) {
  const gone = vi.fn();
  const unwatch = away.watch.watch(processOfNode(node, processWith(pid)), gone);
  return { gone, unwatch };
}

/** What is told, is told in a microtask of its own. */
const settled = () => new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(resolve)));

test("a caller has the selectors that its node found, the node's own, and a process with the node's name", async () => {
  away.nodes.attend(ONE, link());
  const peer = away.nodes.adopt(ONE, "tls-1", reportOf(5));
  const evidence = await away.attestor.attest(peer, WANTED);
  expect([...evidence.selectors].toSorted()).toEqual(["node:name:one", UID]);
  expect(evidence.process).toEqual(processOfNode(ONE, processWith(5)));
  expect(evidence.ancestors()).toEqual([processOfNode(ONE, processWith(1))]);
  expect(peer).toMatchObject({ connectionId: "tls-1", uid: 1_000, pid: 5 });
});

test("nobody is attested by a node that is not there, nor by a peer that no node stands for", async () => {
  const peer = away.nodes.adopt(ONE, "tls-1", reportOf(5));
  await expect(away.attestor.attest(peer, WANTED)).rejects.toMatchObject({ code: "NOT_SERVING" });
  const { end } = away.nodes.attend(ONE, link());
  await expect(away.attestor.attest(peer, WANTED)).resolves.toBeDefined();
  end();
  await expect(away.attestor.attest(peer, WANTED)).rejects.toMatchObject({ code: "NOT_SERVING" });
  const stranger = { connectionId: "tls-2", uid: 0, pid: 1 };
  expect(away.has(stranger)).toBe(false);
  await expect(away.attestor.attest(stranger, WANTED)).rejects.toMatchObject({ code: "NO_IDENTITY" });
});

test("the same process of two nodes is two, and what one tells says nothing of the other's", async () => {
  const { gone: goneOfOne } = watched(ONE, 5);
  const { gone: goneOfTwo } = watched(TWO, 5);
  away.nodes.attend(ONE, link());
  const two = away.nodes.attend(TWO, link());
  away.nodes.adopt(TWO, "tls-1", reportOf(5));
  two.gone(processWith(5));
  await settled();
  expect([goneOfOne, goneOfTwo].map(({ mock }) => mock.calls.length)).toEqual([0, 1]);
  expect(away.kinship.lineageOf(processOfNode(ONE, processWith(5)))).toEqual({ kind: "untold" });
});

test("a node is asked to watch what was watched before it came, and told what is watched no longer", () => {
  const { unwatch } = watched(ONE, 5);
  const first = link();
  away.nodes.attend(ONE, first);
  const { unwatch: unwatchLater } = watched(ONE, 6);
  unwatch();
  unwatchLater();
  expect(first.asked).toEqual(["watch 5 0000", "watch 6 0000", "unwatch 5", "unwatch 6"]);
});

test("a process counts as alive while its node may come back, and as gone 30 s after it left", async () => {
  const { gone } = watched(ONE, 5);
  const { end } = away.nodes.attend(ONE, link());
  end();
  await clock.advance(29_999);
  expect(gone).not.toHaveBeenCalled();
  const again = away.nodes.attend(ONE, link());
  await clock.advance(60_000);
  expect(gone).not.toHaveBeenCalled();
  again.end();
  await clock.advance(30_000);
  expect(gone).toHaveBeenCalledTimes(1);
});

test("and 30 s after the broker started, of a node that never came", async () => {
  const { gone } = watched(ONE, 5);
  await clock.advance(29_999);
  expect(gone).not.toHaveBeenCalled();
  await clock.advance(1);
  expect(gone).toHaveBeenCalledTimes(1);
});

test("a newer stream of a node takes the place of the older, whose end changes nothing", async () => {
  const { gone } = watched(ONE, 5);
  const older = link();
  const { end } = away.nodes.attend(ONE, older);
  const newer = link();
  away.nodes.attend(ONE, newer);
  end();
  await clock.advance(60_000);
  expect([older.asked.at(-1), newer.asked]).toEqual(["replaced", ["watch 5 0000"]]);
  expect(gone).not.toHaveBeenCalled();
  expect(away.nodes.attended()).toEqual([ONE]);
});

test("all processes of a node that is let go count as gone at once", async () => {
  const { gone } = watched(ONE, 5);
  const there = link();
  away.nodes.attend(ONE, there);
  away.nodes.dismiss(ONE);
  await settled();
  expect(gone).toHaveBeenCalledTimes(1);
  expect(there.asked.at(-1)).toBe("replaced");
  expect(away.nodes.attended()).toEqual([]);
});

test("a process is found by its pid where a node told of it, and not once it is gone or never was", async () => {
  const beside = processOfNode(ONE, processWith(5));
  const there = away.nodes.attend(ONE, link());
  expect(away.watch.find(6, beside)).toBeUndefined();
  away.nodes.adopt(ONE, "tls-1", reportOf(5, { named: factsOf(6) }));
  expect(away.watch.find(6, beside)).toMatchObject({
    process: processOfNode(ONE, processWith(6)),
    uid: 1_000,
    selectors: new Set([UID, "node:name:one"]),
  });
  expect(away.watch.find(6, processOfNode(TWO, processWith(5)))).toBeUndefined();

  watched(ONE, 6);
  there.gone(processWith(6));
  await settled();
  expect(away.watch.find(6, beside)).toBeUndefined();

  away.nodes.adopt(ONE, "tls-1", reportOf(5, { named: factsOf(8) }));
  away.nodes.adopt(ONE, "tls-1", reportOf(5, { namedGone: 8 }));
  expect(away.watch.find(8, beside)).toBeUndefined();
});

test("the kinship of a process is what its node told last, and untold before", () => {
  const process = processOfNode(ONE, processWith(5));
  const there = away.nodes.attend(ONE, link());
  expect([away.kinship.lineageOf(process), away.kinship.placeOf(process)]).toEqual([{ kind: "untold" }, undefined]);
  there.seen(factsOf(5));
  expect(away.kinship.lineageOf(process)).toEqual({
    kind: "lineage",
    chain: [{ process }, { process: processOfNode(ONE, processWith(1)) }],
  });
  expect(away.kinship.placeOf(process)).toEqual({ session: 3 });
  // Another process with its pid.
  expect(away.kinship.lineageOf({ ...process, startTimeTicks: 1 })).toEqual({ kind: "untold" });
});
