import type { Authority } from "../../domain/authority.ts";
import { BrokerError, type ErrorCode, type ErrorMetadata } from "../../domain/errors.ts";
import type { Head, LedgerAct, PutAuthoritiesAct, ResultOf } from "../../ports/ledger.ts";
import type { StoreOptions } from "./durable-store.ts";
import type { LedgerHealth } from "./health.ts";
import { sqliteCodeOf } from "./sqlite-fault.ts";
import type { Outcome } from "./store.ts";

/*
 * What crosses between the event loop and the writing thread. Groups travel as JSON text, both ways: it costs less than
 * the structured clone of as many small objects. The few bytes among them are written in hexadecimal.
 */

/** Begins a writing thread. */
export type WriterData = StoreOptions;

export type ToWriter = { readonly kind: "group"; readonly acts: string } | { readonly kind: "close" };

export type FromWriter =
  | { readonly kind: "opened"; readonly head: WireHead; readonly health: LedgerHealth }
  | { readonly kind: "refused"; readonly error: WireError }
  | { readonly kind: "group"; readonly reply: string }
  | { readonly kind: "health"; readonly health: LedgerHealth };

export type GroupReply = {
  readonly outcomes: readonly Outcome[];
  readonly head: Head;
  readonly health: LedgerHealth;
};

/** An error as a value: threads can't hand each other an instance. */
export type WireError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly metadata: ErrorMetadata;
  readonly detail?: string;
};

export type WireHead = { readonly epoch: string; readonly sequence: number; readonly rootHash: string };

type WireOutcome =
  | { readonly kind: "done"; readonly result: ResultOf<LedgerAct> }
  | { readonly kind: "failed"; readonly error: WireError };
type WireReply = {
  readonly outcomes: readonly WireOutcome[];
  readonly head: WireHead;
  readonly health: LedgerHealth;
};

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

export function encodeActs(acts: readonly LedgerAct[]): string {
  return JSON.stringify(
    acts.map((act) =>
      act.act === "put-authorities" ? { ...act, authorities: act.authorities.map(encodeAuthority) } : act,
    ),
  );
}

type WireAuthority = Omit<Authority, "publicKey" | "certificate" | "upstream"> & {
  readonly publicKey: string;
  readonly certificate?: string;
  readonly upstream?: readonly string[];
};
type WireAuthoritiesAct = Omit<PutAuthoritiesAct, "authorities"> & { readonly authorities: readonly WireAuthority[] };

function encodeAuthority({ publicKey, certificate, upstream, ...rest }: Authority): WireAuthority {
  return {
    ...rest,
    publicKey: hex(publicKey),
    ...(certificate === undefined ? {} : { certificate: hex(certificate) }),
    ...(upstream === undefined ? {} : { upstream: upstream.map(hex) }),
  };
}

export function decodeActs(text: string): readonly LedgerAct[] {
  const acts = JSON.parse(text) as readonly (Exclude<LedgerAct, PutAuthoritiesAct> | WireAuthoritiesAct)[];
  return acts.map((act) =>
    act.act === "put-authorities" ? { ...act, authorities: act.authorities.map(decodeAuthority) } : act,
  );
}

function decodeAuthority({ publicKey, certificate, upstream, ...rest }: WireAuthority): Authority {
  return {
    ...rest,
    publicKey: bytesOf(publicKey),
    ...(certificate === undefined ? {} : { certificate: bytesOf(certificate) }),
    ...(upstream === undefined ? {} : { upstream: upstream.map(bytesOf) }),
  };
}

export function encodeReply({ outcomes, head, health }: GroupReply): string {
  const reply: WireReply = { outcomes: outcomes.map(encodeOutcome), head: encodeHead(head), health };
  return JSON.stringify(reply);
}

export function decodeReply(text: string): GroupReply {
  const { outcomes, head, health } = JSON.parse(text) as WireReply;
  return { outcomes: outcomes.map(decodeOutcome), head: decodeHead(head), health };
}

function encodeOutcome(outcome: Outcome): WireOutcome {
  return outcome.kind === "done" ? outcome : { kind: "failed", error: encodeError(outcome.error) };
}

function decodeOutcome(outcome: WireOutcome): Outcome {
  return outcome.kind === "done" ? outcome : { kind: "failed", error: decodeError(outcome.error) };
}

export function encodeHead({ epoch, sequence, rootHash }: Head): WireHead {
  return { epoch, sequence, rootHash: hex(rootHash) };
}

export function decodeHead({ epoch, sequence, rootHash }: WireHead): Head {
  return { epoch, sequence, rootHash: bytesOf(rootHash) };
}

/** Anything that is no BrokerError becomes one that shows nothing of it but SQLite's name of the error. */
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
