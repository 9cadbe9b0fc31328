import { append, type CompactRange, leafHash, rootOf } from "../../../src/domain/merkle-tree.ts";
import { cpuOf } from "./held.ts";

const EVENTS = 100_000;
const EVENT_BYTES = 700;
/** As many events as all brokers of a large site have in two days; at the end a hash for each of 33 bits is kept, which is the dearest. */
const TREE_SIZE = 2 ** 33 - 1 - EVENTS;
const ROOTS = 10_000;

/** What the ledger's tree takes for an event, and for the root after each commit: microseconds of CPU. */
export function measureTree() {
  const bits = [...TREE_SIZE.toString(2)].filter((bit) => bit === "1").length;
  let range: CompactRange = { size: TREE_SIZE, nodes: Array.from({ length: bits }, () => new Uint8Array(32)) };
  const event = Buffer.alloc(EVENT_BYTES, "e");
  const appended = cpuOf(() => {
    for (let count = 0; count < EVENTS; count += 1) range = append(range, leafHash(event)).range;
  });
  const rooted = cpuOf(() => {
    for (let count = 0; count < ROOTS; count += 1) rootOf(range);
  });
  return {
    treeEventMicros: appended.micros / EVENTS,
    treeRootMicros: rooted.micros / ROOTS,
    treeNodes: range.nodes.length,
  };
}
