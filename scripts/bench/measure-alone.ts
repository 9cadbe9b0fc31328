import { type BrokerProcess, startBroker } from "./broker-process.ts";
import { startGenerator } from "./generator.ts";
import { machineName, signaturesPerSecond } from "./machine.ts";
import type { BulkClosed, Closings, Streamed } from "./measurements.ts";
import { factsOf } from "./process-facts.ts";
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
  /** Of all the broker's threads, for one credential. */
  readonly brokerCpuMicros: number;
  /** Share of one core. */
  readonly brokerCpu: number;
  readonly generatorCpu: number;
  /** Of all else that ran on the machine. */
  readonly othersCpu: number;
};

/** All that one run measures of this checkout. */
export type Alone = {
  readonly machine: string;
  readonly signRate: number;
  readonly rows: readonly Row[];
  readonly closings: readonly { readonly watchers: number; readonly result: Closings }[];
  readonly streams: readonly { readonly name: string; readonly result: Streamed }[];
  readonly crowded: { readonly startMs: number; readonly alone: Row; readonly crowded: Row };
  readonly bulkClose: BulkClosed;
  readonly startMiB: number;
  readonly endMiB: number;
};

/** Kinds of load, and the numbers of callers that each is measured with. */
const LOADS = [
  { kind: "jwt", what: "JWT-SVID", callers: [1, 8, 64] },
  { kind: "spiffe-jwt", what: "FetchJWTSVID (SPIFFE)", callers: [1, 8, 64] },
  { kind: "x509", what: "X.509-SVID", callers: [1, 8, 64] },
  { kind: "batch", what: "JWT-SVIDs, batches of 32", callers: [1, 8] },
  { kind: "open", what: "Open with a JWT-SVID, Close", callers: [1, 8] },
] as const;

/** Streams of the SPIFFE Workload API. */
const STREAMS = [
  { what: "cold", name: "FetchX509SVID, call to first message", count: 90 },
  { what: "delivery", name: "Open, to the SVID on an open stream", count: 200 },
  { what: "rotation", name: "Prepare, to the bundle on 1,000 streams", count: 1_000 },
] as const;

const CLOSES = 200;
const MANY_ENTRIES = 10_000;
const WARM_UP_SECONDS = 1.5;

/** @param seconds - how long each load is measured. */
export async function measureAlone(seconds: number): Promise<Alone> {
  const signRate = signaturesPerSecond();

  async function load(broker: BrokerProcess, what: string, kind: string, callers: number): Promise<Row> {
    await using generator = await startGenerator("load", broker, { kind });
    const loaded = await generator.measure({ callers, seconds, warmUpSeconds: WARM_UP_SECONDS });
    const { cpuSeconds, wallSeconds } = loaded;
    const perSecond = loaded.count / wallSeconds;
    return {
      what,
      callers,
      perSecond,
      ofSignRate: perSecond / signRate,
      p50Ms: loaded.p50Ms,
      p99Ms: loaded.p99Ms,
      brokerCpuMicros: (cpuSeconds.broker / loaded.count) * 1_000_000,
      brokerCpu: cpuSeconds.broker / wallSeconds,
      generatorCpu: cpuSeconds.generator / wallSeconds,
      othersCpu: cpuSeconds.others / wallSeconds,
    };
  }

  /** What ten thousand entries cost: a start, and each call. */
  async function withManyEntries(): Promise<Alone["crowded"]> {
    await using broker = await startBroker();
    const alone = await load(broker, "JWT-SVID, 4 entries", "jwt", 64);
    await registerStrangers(broker.operatorSocket, MANY_ENTRIES);
    const startMs = await broker.restart();
    return { startMs, alone, crowded: await load(broker, "JWT-SVID, 10,004 entries", "jwt", 64) };
  }

  async function withOneBroker() {
    await using broker = await startBroker();
    const startMiB = factsOf(broker.pid()).residentMiB();
    const rows: Row[] = [];
    for (const { kind, what, callers } of LOADS) {
      for (const count of callers) rows.push(await load(broker, what, kind, count));
    }
    const closings: Alone["closings"][number][] = [];
    for (const watchers of [1, 100]) {
      await using generator = await startGenerator("closing", broker, { watchers: String(watchers) });
      closings.push({ watchers, result: await generator.measure({ closes: CLOSES }) });
    }
    const streams: Alone["streams"][number][] = [];
    for (const { what, name, count } of STREAMS) {
      await using generator = await startGenerator("streams", broker, { what });
      streams.push({ name, result: await generator.measure({ count }) });
    }
    return { rows, closings, streams, startMiB, endMiB: factsOf(broker.pid()).residentMiB() };
  }

  return {
    machine: machineName(),
    signRate,
    ...(await withOneBroker()),
    crowded: await withManyEntries(),
    bulkClose: await closeInBulk(),
  };
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
