import type { Denial } from "../../domain/errors.ts";
import type { RequestLine } from "../../ports/log.ts";

/*
 * What crosses between the process of the ledger and a front end: JSON, several messages at once, over Node.js' channel between a
 * process and its child, which is a socket pair that no other program inherits. Descriptors of connections go along.
 */

export type ToFront =
  | { readonly kind: "start"; readonly number: number; readonly settings: unknown; readonly sequence: number }
  /** A client's connection comes along, of which nothing was read. */
  | { readonly kind: "connection"; readonly connectionId: string }
  /** How far the ledger is, and why nothing is issued at present, if so; to be answered once everything follows. */
  | { readonly kind: "follow"; readonly sequence: number; readonly suspended?: Denial }
  | { readonly kind: "level"; readonly level: string }
  | { readonly kind: "answer"; readonly id: number; readonly outcome: Outcome }
  | { readonly kind: "stop" };

export type FromFront =
  | { readonly kind: "ready" }
  | { readonly kind: "ended"; readonly connectionId: string }
  /** One end of a socket pair comes along, by which calls of the connection come. */
  | { readonly kind: "relay"; readonly connectionId: string }
  /** `answers`: how many it was given up to then. */
  | { readonly kind: "followed"; readonly sequence: number; readonly answers: number }
  | { readonly kind: "ask"; readonly id: number; readonly question: string; readonly given: unknown }
  | { readonly kind: "counted"; readonly requests: readonly CountedRequest[] };

export type Outcome =
  | { readonly kind: "done"; readonly result: unknown }
  | { readonly kind: "refused"; readonly refusal: Denial }
  /** A bug or a fault, which the log of the ledger's process tells of. */
  | { readonly kind: "failed" };

/** What the metrics count of a request. */
export type CountedRequest = Pick<RequestLine, "method" | "outcome" | "durationMs">;
