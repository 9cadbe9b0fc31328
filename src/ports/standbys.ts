import type { UnixMicros } from "../domain/time.ts";

/** A warm standby that follows the ledger now. */
export type FollowingStandby = {
  /** Of its entry. */
  readonly name: string;
  readonly since: UnixMicros;
  /** The sequence through which it was sent everything. */
  readonly sent: number;
};

export type Standbys = {
  all(): readonly FollowingStandby[];
  /** @returns what is told how far the standby was sent, and that it has gone. */
  entered(standby: FollowingStandby): { sent(sequence: number): void; left(): void };
};
