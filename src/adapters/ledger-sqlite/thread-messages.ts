import type { MessagePort } from "node:worker_threads";
import { BrokerError, type Denial, type ErrorCode, type ErrorMetadata, isDenial } from "../../domain/errors.ts";
import type { AuthorityPut, LedgerEvent } from "../../domain/ledger-event.ts";
import { authorityFrom, recordedAuthority } from "../../domain/recorded-authority.ts";
import type { ReplicaReport } from "../../domain/replica-report.ts";
import type { Committed } from "../../ports/following.ts";
import type { RecordedIssuance, RecordIssuanceItem, RecordIssuancesAct } from "../../ports/issuance-acts.ts";
import type { Head, LedgerDisk, LedgerHealth } from "../../ports/ledger.ts";
import type { ActName, LedgerAct, PutAuthoritiesAct, ResultOf, Sequenced } from "../../ports/ledger-acts.ts";
import type { Replica } from "../../ports/replicas.ts";
import type { StoreOptions } from "./durable-store.ts";
import type { Loaded } from "./end-thread.ts";
import type { UpgradeProgress } from "./migrate.ts";
import type { ChunkOrder } from "./snapshot.ts";
import { sqliteCodeOf } from "./sqlite-fault.ts";
import type { Commit, Outcome } from "./store.ts";

/*
 * What crosses between the event loop and the writing thread. Groups travel as JSON text, both ways: the text costs
 * less than the structured clone of as many small objects. Byte arrays in a group are written in hexadecimal; what is to be
 * signed, and the signatures, of which there are many, in base64.
 */

/** What a writing thread opens. */
export type WriterData = StoreOptions & {
  /** The log, where it is shared: a module that exports `openSharedLog`, and what to call that with. */
  readonly shared?: { readonly module: string; readonly settings: object };
  /** What signs there what is committed there; absent: nothing does. */
  readonly signing?: { readonly module: string; readonly port: MessagePort };
};

export type ToWriter =
  /** The first of all, and once. */
  | { readonly kind: "open"; readonly data: WriterData }
  | { readonly kind: "group"; readonly acts: string }
  | { readonly kind: "chunks"; readonly order: ChunkOrder }
  /** Asks for everything that was recorded before, at whatever broker. */
  | { readonly kind: "confirm" }
  /** What the others that share the log are told of this broker. */
  | { readonly kind: "report"; readonly report: ReplicaReport }
  | { readonly kind: "close" };

export type FromWriter =
  | { readonly kind: "chunks"; readonly written: number | WireError }
  | Loaded
  | { readonly kind: "upgrading"; readonly progress: UpgradeProgress }
  /** `cursorKey` and `replicas`: of a shared log. */
  | ({
      readonly kind: "opened";
      readonly head: WireHead;
      readonly cursorKey?: Uint8Array;
      readonly replicas?: readonly Replica[];
    } & Standing)
  | { readonly kind: "refused"; readonly error: WireError }
  | { readonly kind: "group"; readonly reply: string }
  /** Events that others appended to a shared log. */
  | { readonly kind: "followed"; readonly followed: string }
  /** Who shares the log, as it was just looked. */
  | { readonly kind: "looked"; readonly replicas: readonly Replica[] }
  /** Comes at every probe: a thread that is not heard of for long waits for its disk. */
  | ({ readonly kind: "probed" } & Standing)
  | { readonly kind: "confirmed"; readonly error?: WireError };

type Standing = { readonly health: LedgerHealth; readonly disk: LedgerDisk };

export type GroupReply = {
  readonly outcomes: readonly Outcome[];
  readonly head: Head;
  readonly health: LedgerHealth;
  /** The events that were committed; absent where they are too many to be handed over at once. */
  readonly events: readonly Committed[] | undefined;
};

/** Events of a larger group are not handed over: followers read them, a page a turn. */
export const HANDED_OVER_MAX = 512;

/** An error as a value: threads can't hand each other an instance. */
export type WireError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly metadata: ErrorMetadata;
  readonly detail?: string;
};

export type WireHead = { readonly epoch: string; readonly sequence: number; readonly rootHash: string };

type WireOutcome =
  | { readonly kind: "done"; readonly result: WireResult }
  | { readonly kind: "failed"; readonly error: WireError };
type WireReply = {
  readonly outcomes: readonly WireOutcome[];
  readonly head: WireHead;
  readonly health: LedgerHealth;
  readonly events?: readonly LedgerEvent[];
};

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");

type WireItem = Omit<RecordIssuanceItem, "toBeSigned"> & { readonly toBeSigned?: string };
type WireAct =
  | Exclude<LedgerAct, PutAuthoritiesAct | RecordIssuancesAct>
  | (Omit<PutAuthoritiesAct, "authorities"> & { readonly authorities: readonly AuthorityPut["authority"][] })
  | (Omit<RecordIssuancesAct, "items"> & { readonly items: readonly WireItem[] });

/** The answers of `record-issuances` are the only list among the results. */
type WireResult = ResultOf<Exclude<ActName, "record-issuances">> | readonly WireIssuance[];
type WireIssuance =
  | (Sequenced & { readonly signing?: { readonly kind: "signature"; readonly signature: string } | Denial })
  | Denial;

/** @param signs - whether the thread signs; what is to be signed is sent to no other. */
export function encodeActs(acts: readonly LedgerAct[], signs: boolean): string {
  const wire = acts.map((act): WireAct => {
    if (act.act === "put-authorities") return { ...act, authorities: act.authorities.map(recordedAuthority) };
    if (act.act === "record-issuances") return { ...act, items: act.items.map((item) => encodeItem(item, signs)) };
    return act;
  });
  return JSON.stringify(wire);
}

export function decodeActs(text: string): readonly LedgerAct[] {
  const acts = JSON.parse(text) as readonly WireAct[];
  return acts.map((act): LedgerAct => {
    if (act.act === "put-authorities") return { ...act, authorities: act.authorities.map(authorityFrom) };
    if (act.act === "record-issuances") return { ...act, items: act.items.map(decodeItem) };
    return act;
  });
}

function encodeItem({ toBeSigned, ...item }: RecordIssuanceItem, signs: boolean): WireItem {
  return toBeSigned === undefined || !signs ? item : { ...item, toBeSigned: base64(toBeSigned) };
}

function decodeItem({ toBeSigned, ...item }: WireItem): RecordIssuanceItem {
  return toBeSigned === undefined ? item : { ...item, toBeSigned: Buffer.from(toBeSigned, "base64") };
}

/** The events are JSON already, and are put in as they are. */
export function encodeReply({ outcomes, events }: Commit, head: Head, health: LedgerHealth): string {
  const reply: WireReply = { outcomes: outcomes.map(encodeOutcome), head: encodeHead(head), health };
  return withEvents(JSON.stringify(reply), events);
}

export function decodeReply(text: string): GroupReply {
  const { outcomes, head, health, events } = JSON.parse(text) as WireReply;
  return {
    outcomes: outcomes.map(decodeOutcome),
    head: decodeHead(head),
    health,
    events: events === undefined ? undefined : numbered(events, head.sequence),
  };
}

type WireFollowed = { readonly head: WireHead; readonly events?: readonly LedgerEvent[] };

/** The same for events that nobody here asked for. */
export function encodeFollowed(head: Head, events: readonly string[]): string {
  return withEvents(JSON.stringify({ head: encodeHead(head) } satisfies WireFollowed), events);
}

export function decodeFollowed(text: string): Pick<GroupReply, "head" | "events"> {
  const { head, events } = JSON.parse(text) as WireFollowed;
  return { head: decodeHead(head), events: events === undefined ? undefined : numbered(events, head.sequence) };
}

function withEvents(text: string, events: readonly string[]): string {
  return events.length > HANDED_OVER_MAX ? text : `${text.slice(0, -1)},"events":[${events.join(",")}]}`;
}

/** Events with their sequences; the last of them is the newest of the log. */
export function numbered(events: readonly LedgerEvent[], newest: number): readonly Committed[] {
  const before = newest - events.length;
  return events.map((event, index) => ({ sequence: before + index + 1, event }));
}

function encodeOutcome(outcome: Outcome): WireOutcome {
  if (outcome.kind === "failed") return { kind: "failed", error: encodeError(outcome.error) };
  const { result } = outcome;
  return { kind: "done", result: isList(result) ? result.map(encodeIssuance) : result };
}

function decodeOutcome(outcome: WireOutcome): Outcome {
  if (outcome.kind === "failed") return { kind: "failed", error: decodeError(outcome.error) };
  const { result } = outcome;
  return { kind: "done", result: isList(result) ? result.map(decodeIssuance) : result };
}

function encodeIssuance(result: RecordedIssuance | Denial): WireIssuance {
  if (isDenial(result)) return result;
  const { signing, ...sequenced } = result;
  if (signing === undefined || isDenial(signing)) return result as WireIssuance;
  return { ...sequenced, signing: { kind: "signature", signature: base64(signing.signature) } };
}

function decodeIssuance(result: WireIssuance): RecordedIssuance | Denial {
  if (isDenial(result)) return result;
  const { signing, ...sequenced } = result;
  if (signing === undefined) return sequenced;
  if (isDenial(signing)) return { ...sequenced, signing };
  return { ...sequenced, signing: { kind: "signature", signature: Buffer.from(signing.signature, "base64") } };
}

function isList<Element>(result: object | readonly Element[]): result is readonly Element[] {
  return Array.isArray(result);
}

export function encodeHead({ epoch, sequence, rootHash }: Head): WireHead {
  return { epoch, sequence, rootHash: hex(rootHash) };
}

export function decodeHead({ epoch, sequence, rootHash }: WireHead): Head {
  return { epoch, sequence, rootHash: bytesOf(rootHash) };
}

/** An error that is no BrokerError becomes a BrokerError whose message holds only SQLite's name for the error. */
export function encodeError(thrown: unknown): WireError {
  if (thrown instanceof BrokerError) {
    const { code, message, metadata, detail } = thrown;
    return { code, message, metadata, ...(detail === undefined ? {} : { detail }) };
  }
  const sqliteCode = sqliteCodeOf(thrown);
  return {
    code: "LEDGER_UNAVAILABLE",
    message: sqliteCode === undefined ? "the ledger can't be used" : `the ledger can't be used (${sqliteCode})`,
    metadata: {},
    detail: String(thrown),
  };
}

export function decodeError({ code, message, metadata, detail }: WireError): BrokerError {
  return new BrokerError(code, message, { metadata, ...(detail === undefined ? {} : { detail }) });
}
