import type { UnixMicros, UnixSeconds } from "./time.ts";

/** What a step waits for that policies held back. */
export type PendingApproval = {
  /** Who may approve, as the policies say. */
  readonly role: string;
  /** The policies that stand in the way, sorted. */
  readonly policies: readonly string[];
  /** When it is refused because nobody said anything; exclusive. */
  readonly until: UnixSeconds;
  /** How long the step may take, counted from the approval. */
  readonly stepSeconds: number;
  /** `approvalDigestOf` the request as it was decided on. */
  readonly requestDigest: string;
  /** Users who asked: of the opener, and of the executor's process. None of them may approve. Absent over a network. */
  readonly requesters: readonly number[];
};

/** What was said of a step that waited. */
export type ApprovalAnswer = {
  readonly approved: boolean;
  readonly by: { readonly entryId: string; readonly uid: number };
  readonly reason: string;
  readonly at: UnixMicros;
};

/** What an approval sets aside: policies that ask for its role, and were in the way of what was looked at. */
export type Approved = Pick<PendingApproval, "role" | "policies">;

export type Approval = PendingApproval & {
  /** Absent while nobody has answered, and where nobody ever did. */
  readonly answer?: ApprovalAnswer;
};
