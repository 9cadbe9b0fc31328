import { type BrokerProcess, startBroker } from "./broker-process.ts";
import { startCallers, startWatchers, type Work } from "./compiled-generator.ts";
import { startGenerator } from "./generator.ts";
import { type Inside, insideOf, measureWatched } from "./inside-broker.ts";
import { JOINING, type Joining, measureJoining } from "./joining.ts";
import { BROKER_WARM_UP, formatCallers, LOADS } from "./loads.ts";
import { machineName, signaturesPerSecond } from "./machine.ts";
import type { BulkClosed, Closings, Loaded, Streamed, Told, TreesClosed } from "./measurements.ts";
import { factsOf } from "./process-facts.ts";
import type { Plan } from "./rows.ts";
import { measureStarts, type Starts } from "./starting.ts";
import { BULK_STEPS, registerStrangers } from "./workload.ts";

/** One line of the table of loads. */
type Row = {
  readonly what: string;
  readonly callers: number;
  readonly perSecond: number;
  /** Credentials a second in units of what one core signs. */
  readonly ofSignRate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Of all the broker's threads, for one credential. */
  readonly brokerCpuMicros: number;
  /** Of all the generator's processes, for one credential. */
  readonly generatorCpuMicros: number;
  /** Share of one core. */
  readonly brokerCpu: number;
  readonly generatorCpu: number;
  /** Of all else that ran on the machine. */
  readonly othersCpu: number;
  /** Calls, which are in no other figure. */
  readonly failed: number;
};

/** All that one run measures of this checkout. */
export type Alone = {
  readonly machine: string;
  readonly signRate: number;
  /** Each caller is a process with a connection of its own. */
  readonly rows: readonly Row[];
  /** All callers are one process with one connection. */
  readonly onOneConnection: readonly Row[];
  readonly inside: readonly Inside[];
  readonly told: Told | undefined;
  readonly closings: readonly { readonly watchers: number; readonly result: Closings }[];
  readonly streams: readonly { readonly name: string; readonly result: Streamed }[];
  /** From Open to the SVID on an open stream. */
  readonly delivery: Loaded | undefined;
  readonly joining: Joining | undefined;
  readonly starts: Starts | undefined;
  readonly crowded: { readonly startMs: number; readonly alone: Row; readonly crowded: Row } | undefined;
  readonly treesClosed: TreesClosed | undefined;
  readonly bulkClose: BulkClosed | undefined;
  readonly startMiB: number;
  readonly endMiB: number;
};

/** Kinds of load, and the numbers of callers that each is measured with. */
const ON_ONE_CONNECTION = [
  { kind: "jwt", what: "JWT-SVID", callers: [64] },
  { kind: "spiffe-jwt", what: "FetchJWTSVID (SPIFFE)", callers: [64] },
  { kind: "x509", what: "X.509-SVID", callers: [64] },
  { kind: "batch", what: "JWT-SVIDs, batches of 32", callers: [1, 8] },
] as const;

/** Streams of the SPIFFE Workload API. */
const STREAMS = [
  { what: "cold", name: "FetchX509SVID, call to first message", count: 90 },
  { what: "rotation", name: "Prepare, to the bundle on 1,000 streams", count: 1_000 },
] as const;

const CLOSES = 200;
const TOLD_CLOSES = 50;
const TREES = { trees: 10, issued: 1_000, children: 100 };
const MANY_ENTRIES = 10_000;
const WARM_UP_SECONDS = 1.5;

/** @param plan.seconds - how long each load is measured. */
export async function measureAlone(
  plan: Omit<Plan, "rounds" | "bulkRounds">,
  say: (progress: string) => void,
): Promise<Alone> {
  const { seconds, rows, callers: counts } = plan;
  const signRate = signaturesPerSecond();

  function rowOf(what: string, callers: number, loaded: Loaded): Row {
    const { cpuSeconds, wallSeconds, count } = loaded;
    const perSecond = count / wallSeconds;
    return {
      what,
      callers,
      perSecond,
      ofSignRate: perSecond / signRate,
      p50Ms: loaded.p50Ms,
      p99Ms: loaded.p99Ms,
      maxMs: loaded.maxMs,
      brokerCpuMicros: (cpuSeconds.broker / count) * 1_000_000,
      generatorCpuMicros: (cpuSeconds.generator / count) * 1_000_000,
      brokerCpu: cpuSeconds.broker / wallSeconds,
      generatorCpu: cpuSeconds.generator / wallSeconds,
      othersCpu: cpuSeconds.others / wallSeconds,
      failed: Object.values(loaded.failures).reduce((sum, one) => sum + one, 0),
    };
  }

  async function onOneConnection(broker: BrokerProcess, what: string, kind: string, callers: number): Promise<Row> {
    await using generator = await startGenerator("load", broker, { kind });
    return rowOf(what, callers, await generator.measure({ callers, seconds, warmUpSeconds: WARM_UP_SECONDS }));
  }

  /** All numbers of callers of one kind of load. */
  async function byCallers(broker: BrokerProcess, what: string, kind: Work) {
    await using generator = await startCallers(kind, broker);
    await generator.measure(BROKER_WARM_UP);
    const measured: { readonly row: Row; readonly inside: Inside }[] = [];
    for (const callers of counts) {
      const watched = await measureWatched(generator, broker, { callers, seconds, warmUpSeconds: WARM_UP_SECONDS });
      const inside = insideOf(`${what}, ${formatCallers(callers)}`, [watched]);
      measured.push({ row: rowOf(what, callers, watched), inside });
    }
    return measured;
  }

  async function deliver(broker: BrokerProcess): Promise<Loaded> {
    await using generator = await startCallers("delivery", broker);
    return await generator.measure({ callers: 1, seconds, warmUpSeconds: WARM_UP_SECONDS });
  }

  async function tellMany(broker: BrokerProcess): Promise<Told> {
    await using watchers = await startWatchers(broker);
    await watchers.join(JOINING);
    return await watchers.close(TOLD_CLOSES);
  }

  /** What ten thousand entries cost: a start, and each call. */
  async function withManyEntries(): Promise<NonNullable<Alone["crowded"]>> {
    await using broker = await startBroker();
    const alone = await onOneConnection(broker, "JWT-SVID, 4 entries", "jwt", 64);
    await registerStrangers(broker.operatorSocket, MANY_ENTRIES);
    const startMs = await broker.restart();
    return { startMs, alone, crowded: await onOneConnection(broker, "JWT-SVID, 10,004 entries", "jwt", 64) };
  }

  async function withOneBroker() {
    await using broker = await startBroker({ watchesEventLoop: true });
    const startMiB = factsOf(broker.pid()).residentMiB();
    const loads: Awaited<ReturnType<typeof byCallers>>[number][] = [];
    for (const { row, kind, what } of LOADS) {
      if (rows.includes(row)) loads.push(...(await byCallers(broker, what, kind)));
    }
    const shared: Row[] = [];
    for (const { kind, what, callers } of rows.includes("one-connection") ? ON_ONE_CONNECTION : []) {
      for (const count of callers) shared.push(await onOneConnection(broker, what, kind, count));
    }
    const told = rows.includes("told") ? await tellMany(broker) : undefined;
    const closings: Alone["closings"][number][] = [];
    for (const watchers of rows.includes("close") ? [1, 100] : []) {
      await using generator = await startGenerator("closing", broker, { watchers: String(watchers) });
      closings.push({ watchers, result: await generator.measure({ closes: CLOSES }) });
    }
    const streams: Alone["streams"][number][] = [];
    for (const { what, name, count } of rows.includes("streams") ? STREAMS : []) {
      await using generator = await startGenerator("streams", broker, { what });
      streams.push({ name, result: await generator.measure({ count }) });
    }
    const delivery = rows.includes("delivery") ? await deliver(broker) : undefined;
    return {
      told,
      delivery,
      rows: loads.map(({ row }) => row),
      inside: loads.map(({ inside }) => inside),
      onOneConnection: shared,
      closings,
      streams,
      startMiB,
      endMiB: factsOf(broker.pid()).residentMiB(),
    };
  }

  return {
    machine: machineName(),
    signRate,
    ...(await withOneBroker()),
    crowded: rows.includes("entries") ? await withManyEntries() : undefined,
    joining: rows.includes("join") ? await measureJoining() : undefined,
    starts: rows.includes("start") ? await measureStarts(undefined, say) : undefined,
    treesClosed: rows.includes("tree") ? await closeTrees() : undefined,
    bulkClose: rows.includes("bulk") ? await closeInBulk() : undefined,
  };
}

/** @param directory - the checkout that the broker is started from; this one when absent. */
export async function closeTrees(directory?: string): Promise<TreesClosed> {
  await using broker = await startBroker(directory === undefined ? {} : { directory });
  await using generator = await startGenerator("tree-close", broker);
  return await generator.measure(TREES);
}

/**
 * One revocation that closes thousands of open steps, in a broker that has done nothing else.
 *
 * @param directory - the checkout that the broker is started from; this one when absent.
 */
export async function closeInBulk(directory?: string): Promise<BulkClosed> {
  await using broker = await startBroker({ watchesEventLoop: true, ...(directory === undefined ? {} : { directory }) });
  await using generator = await startGenerator("bulk-close", broker, { delays: broker.delayFile });
  return await generator.measure({ steps: BULK_STEPS });
}
