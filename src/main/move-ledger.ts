import { join } from "node:path";
import { openCommonSecrets } from "../adapters/ledger-postgres/common-secrets.ts";
import { openSharedLog } from "../adapters/ledger-postgres/shared-log.ts";
import { type MovableLedger, openMovableLedger } from "../adapters/ledger-sqlite/movable-ledger.ts";
import { systemClock } from "../adapters/system/system-clock.ts";
import { loadConfig } from "../config/load-config.ts";
import { BrokerError } from "../domain/errors.ts";
import { append, EMPTY_RANGE, leafHash, rootOf } from "../domain/merkle-tree.ts";
import type { Head } from "../ports/ledger.ts";
import type { SharedLog } from "../ports/shared-log.ts";
import { type ConfigRequest, forOperator } from "./for-operator.ts";
import { sharedLogSettings } from "./ledger-place.ts";
import { moveVault } from "./open-vault.ts";
import { checkNoStandby } from "./standby-mark.ts";

const PAGE_EVENTS = 1_000;

export type MovedLedger = {
  readonly events: number;
  /** Hexadecimal. */
  readonly rootHash: string;
};

/** How many events were copied, then read back. */
export type MoveProgress = { readonly stage: "copied" | "read back"; readonly done: number; readonly total: number };

/**
 * `stintd migrate`: takes the ledger of the data directory to the log in PostgreSQL that the configuration names, while no daemon runs.
 * The ledger is sealed first, so that nothing is recorded in it any more; what was cut short goes on with the next call.
 *
 * @returns the tree of what was read back from there: it is the ledger's.
 * @throws an error that says why it can't be done
 */
export async function moveLedger(
  request: ConfigRequest,
  progress: (progress: MoveProgress) => void,
): Promise<MovedLedger> {
  const config = loadConfig(request.configPath, request.environment, { flags: request.flags ?? {} });
  const { postgres } = config.ledger;
  if (postgres === undefined) throw new Error("ledger.postgres: expected the place that the ledger is moved to");
  try {
    await checkNoStandby(config.dataDirectory);
    const ledger = await openMovableLedger(join(config.dataDirectory, "ledger"));
    try {
      const settings = await sharedLogSettings(postgres, config.dataDirectory);
      const log = await openSharedLog(settings);
      const common = openCommonSecrets(settings);
      try {
        const done = await moved(ledger, log, `${postgres.host}:${postgres.port}/${postgres.database}`, progress);
        await moveVault({ path: config.dataDirectory, principals: join(config.dataDirectory, "principals") }, common);
        return done;
      } finally {
        common.close();
        await log.close();
      }
    } finally {
      ledger.close();
    }
  } catch (thrown) {
    throw forOperator(thrown, request);
  }
}

async function moved(
  ledger: MovableLedger,
  log: SharedLog,
  target: string,
  progress: (progress: MoveProgress) => void,
): Promise<MovedLedger> {
  // Before the seal: a ledger that can't go there goes on where it is.
  let copied = await copiedBefore(ledger, log);
  ledger.seal(target, systemClock().now());
  const head = ledger.head();
  for (let from = 0; ; ) {
    const { through, chunks } = ledger.chunks(from);
    if (chunks.length === 0) break;
    await log.chunks.put(through, from, chunks);
    from += chunks.length;
  }
  let { range } = await readBack(log, copied, () => undefined);
  while (copied < head.sequence) {
    const events = ledger.events(copied, PAGE_EVENTS);
    for (const event of events) range = append(range, event.leafHash).range;
    const next = { epoch: head.epoch, sequence: copied + events.length, rootHash: rootOf(range) };
    await appendTo(log, copied, { events, head: next });
    copied = next.sequence;
    progress({ stage: "copied", done: copied, total: head.sequence });
  }
  return compared(log, head, (done) => progress({ stage: "read back", done, total: head.sequence }));
}

/** How many events of this ledger are there already, from a move that was cut short. */
async function copiedBefore(ledger: MovableLedger, log: SharedLog): Promise<number> {
  const turn = await log.take();
  try {
    const { sequence } = turn.head;
    if (sequence === 0) return 0;
    const [own] = ledger.events(sequence - 1, 1);
    const [there] = await turn.read(sequence - 1, 1);
    if (own !== undefined && there !== undefined && Buffer.compare(own.leafHash, there.leafHash) === 0) return sequence;
    throw new BrokerError("NOT_SERVING", "that database has another ledger: nothing was moved");
  } finally {
    await turn.release();
  }
}

async function appendTo(
  log: SharedLog,
  after: number,
  { events, head }: { readonly events: ReturnType<MovableLedger["events"]>; readonly head: Head },
): Promise<void> {
  const turn = await log.take();
  if (turn.head.sequence !== after) {
    await turn.release();
    throw new BrokerError("LEDGER_UNAVAILABLE", "somebody else appends to that database");
  }
  const outcome = await turn.append({ events, head, pruned: [] });
  if (outcome === "unknown") throw new BrokerError("LEDGER_UNAVAILABLE", "the connection broke off: call it once more");
}

/** Hashes what is there, but for events that are pruned. */
async function readBack(log: SharedLog, through: number, progress: (done: number) => void) {
  let range = EMPTY_RANGE;
  while (range.size < through) {
    const page = await log.read(range.size, Math.min(PAGE_EVENTS, through - range.size));
    if (page.length === 0) break;
    for (const { canonical, leafHash: stored } of page) {
      range = append(range, canonical.length === 0 ? stored : leafHash(canonical)).range;
    }
    progress(range.size);
  }
  return { range };
}

async function compared(log: SharedLog, head: Head, progress: (done: number) => void): Promise<MovedLedger> {
  const { range } = await readBack(log, head.sequence, progress);
  if (range.size !== head.sequence || Buffer.compare(rootOf(range), head.rootHash) !== 0) {
    throw new BrokerError("LEDGER_UNAVAILABLE", "what is in that database is not what was moved there");
  }
  return { events: range.size, rootHash: Buffer.from(rootOf(range)).toString("hex") };
}
