import {
  append,
  type CompactRange,
  EMPTY_RANGE,
  frontierBytes,
  leafHash,
  rootOf,
  type TreeNode,
} from "../../domain/merkle-tree.ts";
import { prunedDigest } from "../../domain/retention.ts";
import type { EventsPruned } from "../../domain/retention-event.ts";
import type { Finding, Head } from "../../ports/ledger.ts";
import type { Connection } from "./connection.ts";
import { NODE_LEVELS, readState } from "./log.ts";
import {
  EPOCH,
  EVENT,
  eventOf,
  type HeadRow,
  isPruned,
  type KeptRow,
  type StoredEvent,
  TREE,
} from "./tables/event-table.ts";
import { PRUNED_RANGE, type PrunedRangeRow } from "./tables/retention-table.ts";

/** Events whose bytes are hashed again at every start: some tens of milliseconds. */
const TAIL_EVENTS = 10_000;
const PAGE_EVENTS = 1_000;
/** The levels of the stored subtrees, from 256^6 leaves down to 256. */
const LEVELS = [6, 5, 4, 3, 2, 1].map((power) => power * NODE_LEVELS);

const INTACT: Finding = { kind: "intact" };

function damaged(reason: string): Finding {
  return { kind: "damaged", reason };
}

/** SQLite's own view: whether pages, indexes and constraints fit each other. */
export function verifyPages(db: Connection): Finding {
  const [row] = db.pragma("integrity_check(1)") as readonly { readonly integrity_check: string }[];
  return row?.integrity_check === "ok" ? INTACT : damaged("its pages contradict each other");
}

/**
 * Compares the log with its stored tree: that the events are all there, that the bytes of each are those that were
 * hashed, and that the hashes give the root.
 *
 * @param extent - `tail`: for the older events the stored hashes of complete subtrees are taken as they are.
 */
export function verifyLog(db: Connection, extent: "tail" | "all"): Finding {
  const head = db.get<HeadRow>(TREE.head);
  const newest = db.get<{ readonly sequence: number | null }>(EVENT.newest)?.sequence ?? 0;
  const size = head?.treeSize ?? 0;
  if (newest !== size) return damaged(`the tree head counts ${size} events, the log ends at ${newest}`);
  if (head === undefined) return INTACT;

  const subtree = 2 ** NODE_LEVELS;
  const start = extent === "all" ? 0 : Math.floor(Math.max(0, size - TAIL_EVENTS) / subtree) * subtree;
  let range = rangeAt(db, start);
  if (range === undefined) return damaged("stored hashes of the tree are missing");
  while (range.size < size) {
    const page: VerifiedPage = verifyPage(db, range);
    if (page.finding.kind === "damaged") return page.finding;
    if (page.range.size === range.size) return damaged(`the event ${range.size + 1} is missing`);
    range = page.range;
  }
  return verifyHead(db, head, range);
}

/** How far a page went, what was found there, and the events that were verified. */
export type VerifiedPage = {
  readonly range: CompactRange;
  readonly finding: Finding;
  readonly events: readonly StoredEvent[];
};

/**
 * Verifies the next events after those of a range, at most a page, and at most `limit`. Of an event that is pruned there is its hash alone. No event is ever changed, so that pages may be read at
 * different instants.
 */
export function verifyPage(db: Connection, range: CompactRange, limit: number = PAGE_EVENTS): VerifiedPage {
  const events = db.all<StoredEvent>(EVENT.after, { after: range.size, limit: Math.min(limit, PAGE_EVENTS) });
  let verified = range;
  for (const event of events) {
    const finding = verifyEvent(db, event, verified.size + 1);
    if (finding.kind === "damaged") return { range: verified, finding, events: [] };
    const longer = append(verified, event.leafHash);
    const wrong = longer.completed.find((node) => !isStored(db, node));
    if (wrong !== undefined) {
      const { level, index } = wrong;
      const which = `level ${level}, index ${index}`;
      const reason = `a stored hash of the tree is not that of its events: ${which}, at event ${event.sequence}`;
      return { range: verified, finding: damaged(reason), events: [] };
    }
    verified = longer.range;
  }
  return { range: verified, finding: INTACT, events };
}

function verifyEvent(db: Connection, event: StoredEvent, expected: number): Finding {
  if (event.sequence !== expected) return damaged(`the event ${expected} is missing`);
  if (isPruned(event.canonical)) {
    const range = db.get<PrunedRangeRow>(PRUNED_RANGE.before, { sequence: expected });
    const isRecorded = range !== undefined && expected <= range.last;
    return isRecorded ? INTACT : damaged(`what the event ${expected} says is missing`);
  }
  if (!isEqual(leafHash(event.canonical), event.leafHash)) {
    return damaged(`the event ${expected} is not the one that was hashed`);
  }
  const said = eventOf(event.canonical);
  const isSame = said.type === event.type && said.at === event.recordedAt;
  if (!isSame) return damaged(`the row of event ${expected} contradicts its bytes`);
  return said.type === "events.pruned" ? verifyPruning(db, said, expected) : INTACT;
}

/** Whether what stays of the events that an event pruned is what it was then. */
function verifyPruning(db: Connection, { ranges, digest }: EventsPruned, sequence: number): Finding {
  const left = ranges.flatMap(([first, last]) => db.all<KeptRow>(EVENT.kept, { first, last }));
  return prunedDigest(left) === digest
    ? INTACT
    : damaged(`what is left of the events that event ${sequence} pruned is not what it was`);
}

function verifyHead(db: Connection, head: HeadRow, range: CompactRange): Finding {
  if (!isEqual(rootOf(range), head.rootHash) || !isEqual(frontierBytes(range), head.frontier)) {
    return damaged("the tree head is not that of the events");
  }
  const epoch = db.get<{ readonly epoch: string }>(EPOCH.newest)?.epoch ?? "";
  return epoch === head.epoch ? INTACT : damaged("the tree head names another epoch than the log");
}

function isStored(db: Connection, node: TreeNode): boolean {
  if (node.level % NODE_LEVELS !== 0) return true;
  const stored = db.get<{ readonly hash: Uint8Array }>(TREE.node, { level: node.level, index: node.index });
  return stored !== undefined && isEqual(stored.hash, node.hash);
}

/**
 * The tree as it was at an earlier size, from the stored hashes of complete subtrees and a few of leaves.
 *
 * @returns `undefined` when hashes that should be there are not.
 */
export function rangeAt(db: Connection, size: number): CompactRange | undefined {
  let range = EMPTY_RANGE;
  for (const level of LEVELS) {
    const first = range.size / 2 ** level;
    const end = Math.floor(size / 2 ** level);
    const nodes = db.all<{ readonly hash: Uint8Array }>(TREE.nodesBefore, { level, first, end });
    if (nodes.length !== end - first) return undefined;
    for (const { hash } of nodes) range = append(range, hash, level).range;
  }
  const leaves = db.all<{ readonly leafHash: Uint8Array }>(EVENT.leafHashes, { after: range.size, through: size });
  if (leaves.length !== size - range.size) return undefined;
  for (const leaf of leaves) range = append(range, leaf.leafHash).range;
  return range;
}

/**
 * Whether this log continues a log that was seen before: the same epoch, not shorter, and the same root at the size
 * that was seen.
 *
 * @param seen - a head that was acknowledged to somebody.
 */
export function continues(db: Connection, seen: Head): Finding {
  const { epoch, range } = readState(db);
  if (epoch !== seen.epoch) return damaged("its epoch is not the one that was last acknowledged");
  if (range.size < seen.sequence) {
    return damaged(`it ends at ${range.size}, and ${seen.sequence} was acknowledged`);
  }
  const then = rangeAt(db, seen.sequence);
  const isSame = then !== undefined && isEqual(rootOf(then), seen.rootHash);
  return isSame ? INTACT : damaged(`up to ${seen.sequence} it is not what was acknowledged`);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
