import type { UnixMicros } from "../domain/time.ts";
import type { ToolState } from "../domain/tool-definition.ts";

/** Where a tool stands: pinned where what is newest is what is pinned. */
export type ToolStanding = {
  readonly location: string;
  readonly tool: string;
  /** Digest of the definition that is pinned; absent: none is. */
  readonly pinned?: string;
  /** Digest of the definition that was seen anew last, or accepted after that. */
  readonly newest: string;
};

export type ToolRow = ToolStanding & {
  readonly sequence: number;
  readonly state: ToolState;
  readonly pinnedAt?: UnixMicros;
  /** The operator's entry; absent: it was pinned at first sight. */
  readonly acceptedBy?: string;
  readonly newestAt: UnixMicros;
  readonly seenAt: UnixMicros;
  /** How many are kept. */
  readonly definitions: number;
};

export type KeptDefinition = {
  readonly sha256: string;
  /** Canonical JSON. */
  readonly definition: string;
  /** Of the verifier that has reported it first. */
  readonly entryId?: string;
  readonly seenAt: UnixMicros;
};

export type ToolReads = {
  tool(location: string, tool: string): Promise<ToolRow | undefined>;
  /** All that are kept, newest first. */
  definitions(location: string, tool: string): Promise<readonly KeptDefinition[]>;
  /** Digests of what is kept, in no order, and which of them is pinned; `undefined` for a tool that was not reported. */
  kept(
    location: string,
    tool: string,
  ): Promise<{ readonly pinned?: string; readonly definitions: readonly string[] } | undefined>;
};
