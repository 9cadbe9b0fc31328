import type { CredentialReads } from "./credential-reads.ts";
import type { ExportReads } from "./export-reads.ts";
import type { Follower, FollowerStatus, Following } from "./following.ts";
import type { ActName, LedgerAct, ResultOf } from "./ledger-acts.ts";
import type { LedgerBackups } from "./ledger-backup.ts";
import type {
  CallApprovalReads,
  FeedReads,
  HistoryReads,
  PolicyReads,
  ProjectionReads,
  RegistryReads,
  StepReads,
} from "./ledger-reads.ts";
import type { LedgerRetention } from "./ledger-retention.ts";
import type { LogReads } from "./log-reads.ts";
import type { Replicas } from "./replicas.ts";
import type { ToolReads } from "./tool-reads.ts";
import type { TreeReads } from "./tree-reads.ts";

/**
 * The one writer. Each act is a transaction of its own: its guards, its events and their projections happen together or
 * not at all, and an act that is refused leaves no trace and does not disturb the acts that it was committed with.
 */
export type Ledger = {
  /**
   * Resolves only once the act is durable (fsync).
   *
   * @throws BrokerError LEDGER_UNAVAILABLE when nothing was recorded because nothing can be recorded
   */
  perform<Name extends ActName>(act: LedgerAct<Name> & { readonly act: Name }): Promise<ResultOf<Name>>;
  head(): Head;
  /**
   * Gives a follower what was committed, from the event after `after` on. A follower that keeps up is given a commit of
   * ordinary size before the acts of that commit are answered.
   *
   * A follower that throws is tried again from its own position; meanwhile no other follower waits for it.
   */
  follow(follower: Follower, after: number): Following;
  followers(): readonly FollowerStatus[];
  close(): Promise<void>;
};

/** How far the ledger has come. `sequence` is also the tree size: sequences are dense and begin at 1. */
export type Head = {
  readonly epoch: string;
  readonly sequence: number;
  /** RFC 6962 root hash over all leaves, 32 bytes. */
  readonly rootHash: Uint8Array;
};

/** A ledger that was opened, with all that may be asked of it. */
export type OpenedLedger = {
  readonly ledger: Ledger;
  readonly projections: ProjectionReads;
  readonly steps: StepReads;
  readonly callApprovals: CallApprovalReads;
  readonly registry: RegistryReads;
  readonly policies: PolicyReads;
  readonly tools: ToolReads;
  readonly feed: FeedReads;
  readonly credentials: CredentialReads;
  readonly history: HistoryReads;
  readonly exports: ExportReads;
  readonly tree: TreeReads;
  readonly backups: LedgerBackups;
  readonly log: LogReads;
  readonly retention: LedgerRetention;
  readonly verdict: Verdict;
  /** The brokers that share the ledger; absent: it is shared with nobody. */
  readonly replicas?: Replicas;
  /** The key of cursors, where all brokers that share the ledger have the same. */
  readonly cursorKey?: Uint8Array;
  /**
   * Resolves once everything that was recorded before the call, at whatever broker, is known here.
   *
   * @throws BrokerError LEDGER_UNAVAILABLE when that can't be known
   */
  confirmed(): Promise<void>;
  /** Commits since it was opened, each of all that was asked for while the one before was written. One that recorded nothing is none. */
  commits(): number;
  health(): LedgerHealth;
  /** As it was half a second ago at most, unless the disk stands still. */
  disk(): LedgerDisk | undefined;
  /** Called after an operator accepted the ledger as it is: from here on its head is the head to continue from. */
  trustHead(): Promise<void>;
  /**
   * Verifies every event, every stored hash, every table, and that the checkpoints that are kept are of this ledger. Takes
   * about as long as writing the whole ledger once more, and keeps nobody waiting meanwhile.
   */
  verifyAll(watch?: VerificationWatch): Promise<Finding>;
  close(): Promise<void>;
};

/** Whether the ledger continues what was acknowledged before this start; if not, nothing may be issued on it. */
export type Verdict =
  | { readonly kind: "trusted" }
  /** `reason` is for the operator. */
  | { readonly kind: "rolled-back"; readonly reason: string };

/** Whether everything can be recorded, and if not, why; in words for the operator. */
export type LedgerHealth = { readonly writable: boolean; readonly reasons: readonly string[] };

/** The disk that the ledger is on; absent where the ledger is on none. */
export type LedgerDisk = {
  /** What the broker may still use. */
  readonly freeBytes: number;
  /** What the ledger takes, its write-ahead log included. */
  readonly ledgerBytes: number;
  /** Below this nothing is opened or issued. */
  readonly freeBytesMin: number;
};

export type VerificationWatch = {
  readonly progress: (progress: VerificationProgress) => void;
  /** Ends it: `verifyAll` rejects with BrokerError LEDGER_UNAVAILABLE then. */
  readonly signal?: AbortSignal;
};

/** How far a verification is: events hashed, then tables compared. */
export type VerificationProgress = {
  readonly stage: "events" | "tables";
  readonly done: number;
  readonly total: number;
};

/** What verification says; `reason` is for the operator. */
export type Finding = { readonly kind: "intact" } | { readonly kind: "damaged"; readonly reason: string };
