import type { Actor } from "../../domain/actor.ts";
import type { ToolAccepted, ToolChanged, ToolForgotten, ToolSeen } from "../../domain/ledger-event.ts";
import type { Connection } from "./connection.ts";
import { ProjectionMismatch } from "./projection-mismatch.ts";
import { TOOL, TOOL_DEFINITION } from "./tables/tool-table.ts";

export function seeTool(db: Connection, event: ToolSeen, sequence: number): void {
  const { tool, pinned, at } = event;
  const { location, tool: name, sha256 } = tool;
  const pin = pinned ? { pinned: sha256, pinnedAt: at } : { pinned: null, pinnedAt: null };
  db.run(TOOL.insert, { sequence, location, tool: name, sha256, at, ...pin });
  keepDefinition(db, event, sequence, sequence);
}

export function changeTool(db: Connection, event: ToolChanged, sequence: number): void {
  const { location, tool, sha256 } = event.tool;
  const row = db.get<ToolSequence>(TOOL.change, { location, tool, sha256, at: event.at });
  if (row === undefined) throw new ProjectionMismatch(sequence);
  keepDefinition(db, event, row.sequence, sequence);
}

export function acceptTool(db: Connection, event: ToolAccepted, sequence: number): void {
  const { location, tool, sha256, pinned = null, by, at } = event;
  const row = db.get<ToolSequence>(TOOL.accept, { location, tool, sha256, entryId: by.entryId, at });
  if (row === undefined) throw new ProjectionMismatch(sequence);
  db.run(TOOL_DEFINITION.forget, { toolSequence: row.sequence, sha256, pinned });
}

export function forgetTool(db: Connection, { location, tool }: ToolForgotten, sequence: number): void {
  db.run(TOOL_DEFINITION.remove, { location, tool });
  if (db.run(TOOL.remove, { location, tool }) !== 1) throw new ProjectionMismatch(sequence);
}

type ToolSequence = { readonly sequence: number };

function keepDefinition(
  db: Connection,
  { tool: { sha256, definition }, by, at }: ToolSeen | ToolChanged,
  toolSequence: number,
  sequence: number,
): void {
  db.run(TOOL_DEFINITION.insert, { sequence, toolSequence, sha256, definition, entryId: entryIdOf(by), at });
}

function entryIdOf(by: Actor): string | null {
  return by.kind === "entry" ? by.entryId : null;
}
