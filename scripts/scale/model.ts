import { LIMITS } from "../../src/domain/limits.ts";
import { STATUS_LIST_SECONDS, STATUS_LIST_TOKENS, STATUS_LIST_TTL_SECONDS } from "../../src/domain/status-list.ts";
import type { CostValues } from "./costs.ts";
import {
  brokerDenials,
  credentialsPerStep,
  type Load,
  stepSeconds,
  VERIFIER_SWEEP_SECONDS,
  verifierDenials,
} from "./load.ts";

export const MICROS = 1_000_000;
export const DAY_SECONDS = 86_400;
/** Of a thread that serves by turns: beyond it, waiting grows faster than what is served. */
export const UTILISATION_MAX = 0.7;
/** V8's heap where nobody says otherwise, on a machine of 16 GiB and more; half of it is for what lives long. */
const HEAP_BYTES = 4 * 1_024 ** 3;
const HEAP_SHARE = 0.5;
/** `Map` of V8 takes no more. */
const MAP_KEYS_MAX = 2 ** 24;
/** Its id, and the hash of its SPIFFE ID. */
const KEYS_PER_DENIAL = 2;
/** As the group queue has them. */
export const SIGNED_PER_GROUP_MAX = 32;
/** As the stream on NATS has them. */
const DENIALS_PER_MESSAGE = 1_000;
const MESSAGES_SINCE_MAX = 1_000;
/** What a verifier may take for deny-lists, which is nobody's work. */
const VERIFIER_BYTES_MAX = 512 * 1_024 ** 2;
const VERIFIER_CPU_MAX = 0.1;

/** Opening and first credential, hold, renewals, close: what the group queue is asked for. */
function actsPerStep(load: Load): number {
  return 3 + credentialsPerStep(load);
}

const renewals = (load: Load) => credentialsPerStep(load) - 1;

/** Microseconds of CPU that one step costs, from its opening to its close. */
export function stepMicros(load: Load, costs: CostValues) {
  const more = renewals(load);
  return {
    main: costs.mainOpenClose + costs.mainHold + more * costs.mainIssue,
    ledger: costs.ledgerOpenClose + costs.ledgerHold + more * costs.ledgerIssue,
    /** Hold is served by these two threads. */
    all: costs.brokerOpenClose + costs.mainHold + costs.ledgerHold + more * costs.brokerIssue,
    apply: costs.applyStep + more * costs.applyIssue,
  };
}

/** Calls that ask the ledger for something: an opening asks for its first credential too. */
const callsPerStep = (load: Load) => actsPerStep(load) - 1;

/**
 * The ledger's thread: how many acts share a commit, and for what share of the time it is at work.
 *
 * A group is what comes while the one before is committed; where nothing does, it is the next call alone. So a group's size is that of which
 * calls × (fixed + size × call) come meanwhile, and one where none does.
 */
export function groups(load: Load, costs: CostValues) {
  const callsPerSecond = load.stepsPerSecond * callsPerStep(load);
  const callSeconds = stepMicros(load, costs).ledger / callsPerStep(load) / MICROS;
  const commitSeconds = (calls: number) => costs.fsync / 1_000 + calls * callSeconds;
  let calls = 1;
  for (let round = 0; round < ROUNDS; round += 1) {
    const meanwhile = callsPerSecond * commitSeconds(calls);
    calls = meanwhile + Math.exp(-meanwhile);
  }
  const commitsPerSecond = callsPerSecond / calls;
  return {
    commitsPerSecond,
    actsPerCommit: (calls * actsPerStep(load)) / callsPerStep(load),
    utilisation: commitsPerSecond * commitSeconds(calls),
  };
}

/** Of what a step costs the event loop, its opening; and of a call, what is done before the ledger is asked. Neither moves a utilisation. */
export const OPENING_SHARE = 0.6;
export const BEFORE_SHARE = 0.5;

/**
 * From a call for a JWT-SVID to its answer, on the average, milliseconds: twice the event loop, whose wait is that of an M/G/1 queue (Pollaczek and
 * Khinchine), and in between the rest of the commit that is under way, and its own.
 */
export function issueMeanMs(load: Load, costs: CostValues): number {
  const calls = [
    [1, costs.mainOpenClose * OPENING_SHARE],
    [1, costs.mainOpenClose * (1 - OPENING_SHARE)],
    [1, costs.mainHold],
    [renewals(load), costs.mainIssue],
  ] as const;
  const squares = calls.reduce(
    (sum, [count, micros]) => sum + count * ((micros * BEFORE_SHARE) ** 2 + (micros * (1 - BEFORE_SHARE)) ** 2),
    0,
  );
  const perMicro = load.stepsPerSecond / MICROS;
  const waitMicros = (perMicro * squares) / (2 * (1 - perMicro * stepMicros(load, costs).main));
  const { utilisation, commitsPerSecond } = groups(load, costs);
  const commitMs = (utilisation / commitsPerSecond) * 1_000;
  return (2 * waitMicros + costs.mainIssue) / 1_000 + utilisation * (commitMs / 2) + commitMs;
}

/** By then nothing of it moves any more, where there is a size at all. */
const ROUNDS = 200;

/** Bytes of a step's whole life. */
export function stepBytes(load: Load, costs: CostValues) {
  const credentials = credentialsPerStep(load);
  return {
    rows: costs.stepRows + costs.holdRows + credentials * costs.credentialRows,
    written: costs.stepWritten + costs.holdWritten + credentials * costs.credentialWritten,
  };
}

/** Steps a second that replicas of one log record together where all have more to record than they get to. */
export function sharedLogCeiling(load: Load, costs: CostValues, replicas: number): number {
  const { ledger, apply } = stepMicros(load, costs);
  const turnMicros = (costs.sharedTurn * 1_000) / stepsPerGroupMax(load);
  return MICROS / (turnMicros + ledger + (replicas - 1) * apply);
}

export function stepsPerGroupMax(load: Load): number {
  return SIGNED_PER_GROUP_MAX / credentialsPerStep(load);
}

/** One after the other; where nothing has ended meanwhile, the next end is waited for. */
function busMessagesPerSecond({ stepsPerSecond }: Load, costs: CostValues): number {
  const seconds = costs.busMessage / 1_000;
  return 1 / (seconds + Math.exp(-stepsPerSecond * seconds) / stepsPerSecond);
}

/** The stream on NATS of one log, where each denial that comes while a message is under way goes into the next. */
export function bus(load: Load, costs: CostValues) {
  const messageSeconds = costs.busMessage / 1_000;
  // While parts are told, so is what ends meanwhile, by turns.
  const parts = Math.ceil(brokerDenials(load) / DENIALS_PER_MESSAGE);
  const isEndless = parts - 1 > MESSAGES_SINCE_MAX;
  const perSecond = busMessagesPerSecond(load, costs);
  const between = Math.max(0, MESSAGES_SINCE_MAX + 1 - (parts - 1));
  const cycleSeconds = between / perSecond + (2 * parts - 1) * messageSeconds;
  return {
    isEndless,
    messagesPerSecond: perSecond,
    cycleSeconds,
    amplification: brokerDenials(load) / (load.stepsPerSecond * cycleSeconds),
    wholeShare: (parts * messageSeconds) / cycleSeconds,
  };
}

/** Ends a second from which on status lists are fewer bytes for a verifier than hearing of each on NATS: the lists are then two. */
export function listsPayFrom(costs: CostValues): number {
  return (2 * costs.statusList) / STATUS_LIST_TTL_SECONDS / costs.busDenial;
}

/** The stream on NATS, were what ends gathered for so long: messages a second, and seconds until it begins anew. */
export function gatheredBus(load: Load, seconds: number) {
  const cycleSeconds = (MESSAGES_SINCE_MAX + 1) * seconds;
  return { cycleSeconds, amplification: brokerDenials(load) / (load.stepsPerSecond * cycleSeconds) };
}

/** What a verifier does to know what ended, by each way, when it listens to one log. */
export function verifier(load: Load, costs: CostValues) {
  const { stepsPerSecond, ttlSeconds } = load;
  const visits = verifierDenials(load) / (stepsPerSecond * VERIFIER_SWEEP_SECONDS);
  const busMicros =
    stepsPerSecond * (costs.verifierAdd + visits * costs.verifierSweep) +
    busMessagesPerSecond(load, costs) * costs.verifierMessage;
  const tokensPerSecond = stepsPerSecond * credentialsPerStep(load);
  // A list is full, or ten minutes old.
  const listSeconds = Math.min(STATUS_LIST_SECONDS, STATUS_LIST_TOKENS / tokensPerSecond);
  const lists = Math.ceil(ttlSeconds / listSeconds) + 1;
  return {
    denials: verifierDenials(load),
    bytes: verifierDenials(load) * costs.verifierDenial,
    busBytesPerSecond: stepsPerSecond * costs.busDenial,
    busCpu: busMicros / MICROS,
    lists,
    listBytesPerSecond: (lists * costs.statusList) / STATUS_LIST_TTL_SECONDS,
  };
}

/** Share of an event loop that so many watchers of the feed take. @param concerning - of all ends, the share that one watcher is told of. */
export function feedShare(load: Load, costs: CostValues, watchers: number, concerning: number): number {
  const told = Math.min(load.stepsPerSecond * concerning, groups(load, costs).commitsPerSecond);
  return (watchers * (costs.mainPing + told * costs.mainTell)) / MICROS;
}

/** What bounds one broker with a log of its own, and whoever listens to that log: steps a second, all else as in the load. */
export function bounds(load: Load, costs: CostValues): Readonly<Record<BoundName, number>> {
  const { main, ledger } = stepMicros(load, costs);
  const fsyncMicros = (costs.fsync * 1_000) / stepsPerGroupMax(load);
  const open = stepSeconds(load);
  const denialsPerStep = brokerDenials(load) / load.stepsPerSecond;
  const heldPerStep = verifierDenials(load) / load.stepsPerSecond;
  const { busCpu } = verifier(load, costs);
  const graceSeconds = LIMITS.holdGraceAfterRestartMs / 1_000;
  return {
    eventLoop: (UTILISATION_MAX * MICROS) / main,
    ledgerThread: (UTILISATION_MAX * MICROS) / (ledger + fsyncMicros),
    heldAgain: (graceSeconds * UTILISATION_MAX * MICROS) / costs.mainHold / open,
    openMemory: (HEAP_SHARE * HEAP_BYTES) / (costs.openStep + costs.holdStream) / open,
    denyMemory: (HEAP_SHARE * HEAP_BYTES) / (costs.brokerDenial + costs.brokerPage) / denialsPerStep,
    busStream: ((MESSAGES_SINCE_MAX + 1) * DENIALS_PER_MESSAGE) / denialsPerStep,
    verifierMemory: VERIFIER_BYTES_MAX / costs.verifierDenial / heldPerStep,
    verifierCpu: (load.stepsPerSecond * VERIFIER_CPU_MAX) / busCpu,
    mapKeys: MAP_KEYS_MAX / KEYS_PER_DENIAL / heldPerStep,
  };
}

export type BoundName =
  | "eventLoop"
  | "ledgerThread"
  | "heldAgain"
  | "openMemory"
  | "denyMemory"
  | "busStream"
  | "verifierMemory"
  | "verifierCpu"
  | "mapKeys";

/** Brokers, each with a log of its own, over which a load is to be spread. */
export function brokersFor(load: Load, costs: CostValues): number {
  const { eventLoop, ledgerThread, heldAgain, openMemory, denyMemory, busStream } = bounds(load, costs);
  return Math.ceil(
    load.stepsPerSecond / Math.min(eventLoop, ledgerThread, heldAgain, openMemory, denyMemory, busStream),
  );
}
