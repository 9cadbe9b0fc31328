import type { Lineage, Place } from "./descent.ts";
import type { ProcessIdentity } from "./process.ts";
import type { Selector } from "./selector.ts";

/** What a node tells of one process of its machine. Processes are named as the node names them. */
export type NodeFacts = {
  readonly process: ProcessIdentity;
  readonly uid: number;
  readonly selectors: ReadonlySet<Selector>;
  readonly lineage: Lineage;
  /** Absent where it can't be told. */
  readonly place?: Place;
};

/** What a node tells of the process that calls. */
export type NodeReport = {
  readonly caller: NodeFacts;
  /** Whether a pid that the caller names means the same process to the node. */
  readonly sharesPids: boolean;
  /** Path of the executable; absent where it can't be read or believed. */
  readonly executable?: string;
  /** Kinds of selector that could not be attested, each with the reason. */
  readonly unavailable: readonly { readonly kind: string; readonly reason: string }[];
  /** The processes above the caller, its parent first. */
  readonly ancestors: readonly ProcessIdentity[];
  /** The process that the request names by its pid. */
  readonly named?: NodeFacts;
  /** The pid that it names, where no such process lives. */
  readonly namedGone?: number;
};
