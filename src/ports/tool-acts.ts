import type { Actor, OperatorActor } from "../domain/actor.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { ToolDefinition, ToolState } from "../domain/tool-definition.ts";

/** The acts on definitions of tools. The others are in `ledger-acts.ts`, with the list of all. */

/**
 * Records definitions that a verifier was shown at a location. Of what is known nothing is recorded, nor of what is above
 * `LIMITS.toolsPerLocationMax`, `toolDefinitionsMax` and `toolDefinitionsPerLocationMax`. Answered tool by tool, in order.
 */
export type ReportToolsAct = {
  readonly act: "report-tools";
  readonly location: string;
  /** No tool twice. */
  readonly tools: readonly ToolDefinition[];
  /** Whether the first definition of a tool is pinned. */
  readonly pinsFirst: boolean;
  readonly by: Actor;
  readonly now: UnixMicros;
};

export type ReportToolsResult = {
  readonly kind: "reported";
  /** Of the last event written; 0 when none was. */
  readonly sequence: number;
  readonly tools: readonly ReportedTool[];
};

/** Where a reported definition stands. */
export type ReportedTool = {
  readonly tool: string;
  readonly state: ToolState;
  /** Digest of what is pinned; absent: nothing is. */
  readonly pinned?: string;
  readonly isRecorded: boolean;
};

/** Forgets a tool with all that is kept of it. INVALID_FIELD for one that was not reported. */
export type ForgetToolAct = Omit<AcceptToolAct, "act" | "sha256"> & { readonly act: "forget-tool" };

/** Pins a definition. Idempotent: sequence 0 for what is pinned, and newest, already. INVALID_FIELD for a definition that is not kept. */
export type AcceptToolAct = {
  readonly act: "accept-tool";
  readonly location: string;
  readonly tool: string;
  readonly sha256: string;
  readonly reason: string;
  readonly by: OperatorActor;
  readonly now: UnixMicros;
};
