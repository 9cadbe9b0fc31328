import type { UnixMicros } from "../../../domain/time.ts";
import { toolStateOf } from "../../../domain/tool-definition.ts";
import type { GuardedTool } from "../../../ledger/view.ts";
import type { ToolRow } from "../../../ports/tool-reads.ts";

const OF_NAME = "location = @location AND tool = @tool";

export const TOOL = {
  insert: `
    INSERT INTO tool (sequence, location, tool, pinned_sha256, pinned_at_us, newest_sha256, newest_at_us, seen_at_us)
    VALUES (@sequence, @location, @tool, @pinned, @pinnedAt, @sha256, @at, @at)`,
  change: `UPDATE tool SET newest_sha256 = @sha256, newest_at_us = @at WHERE ${OF_NAME} RETURNING sequence`,
  accept: `
    UPDATE tool
       SET pinned_sha256 = @sha256, pinned_at_us = @at, accepted_by = @entryId, newest_sha256 = @sha256,
           newest_at_us = (SELECT d.seen_at_us FROM tool_definition AS d
                            WHERE d.tool_sequence = tool.sequence AND d.sha256 = @sha256)
     WHERE ${OF_NAME} RETURNING sequence`,

  remove: `DELETE FROM tool WHERE ${OF_NAME}`,

  guard: `
    SELECT pinned_sha256 AS pinned, newest_sha256 AS newest,
           (SELECT json_group_array(d.sha256) FROM tool_definition AS d WHERE d.tool_sequence = tool.sequence) AS definitions
      FROM tool WHERE ${OF_NAME}`,
  countAt: "SELECT count(*) AS count FROM tool WHERE location = @location",
  pinned: `
    SELECT location, tool, pinned_sha256 AS pinned, newest_sha256 AS newest FROM tool ORDER BY sequence`,
  byName: `
    SELECT sequence, location, tool, pinned_sha256 AS pinned, pinned_at_us AS pinnedAt, accepted_by AS acceptedBy,
           newest_sha256 AS newest, newest_at_us AS newestAt, seen_at_us AS seenAt,
           (SELECT count(*) FROM tool_definition AS d WHERE d.tool_sequence = tool.sequence) AS definitions
      FROM tool WHERE ${OF_NAME}`,
  /** For the operator's view; conditions are appended. */
  history: `
    SELECT t.sequence, t.location, t.tool, t.pinned_sha256 AS pinned, t.pinned_at_us AS pinnedAt,
           t.accepted_by AS acceptedBy, t.newest_sha256 AS newest, t.newest_at_us AS newestAt, t.seen_at_us AS seenAt,
           (SELECT count(*) FROM tool_definition AS d WHERE d.tool_sequence = t.sequence) AS definitions
      FROM tool AS t`,
} as const;

export const TOOL_DEFINITION = {
  insert: `
    INSERT INTO tool_definition (sequence, tool_sequence, sha256, definition, entry_id, seen_at_us)
    VALUES (@sequence, @toolSequence, @sha256, @definition, @entryId, @at)`,
  forget: `
    DELETE FROM tool_definition
     WHERE tool_sequence = @toolSequence AND sha256 <> @sha256 AND (@pinned IS NULL OR sha256 <> @pinned)`,
  remove: `
    DELETE FROM tool_definition WHERE tool_sequence = (SELECT sequence FROM tool WHERE ${OF_NAME})`,
  countAt: `
    SELECT count(*) AS count FROM tool AS t JOIN tool_definition AS d ON d.tool_sequence = t.sequence
     WHERE t.location = @location`,
  ofTool: `
    SELECT d.sha256, d.definition, d.entry_id AS entryId, d.seen_at_us AS seenAt
      FROM tool AS t JOIN tool_definition AS d ON d.tool_sequence = t.sequence
     WHERE t.location = @location AND t.tool = @tool ORDER BY d.sequence DESC`,
} as const;

/** Which tools are in a state, as conditions on the alias `t`. */
export const STATE_OF_TOOL = {
  pinned: "t.pinned_sha256 = t.newest_sha256",
  changed: "t.pinned_sha256 <> t.newest_sha256",
  waiting: "t.pinned_sha256 IS NULL",
} as const;

export type ToolGuardRow = {
  readonly pinned: string | null;
  readonly newest: string;
  /** JSON. */
  readonly definitions: string;
};

export function guardedToolOf({ pinned, newest, definitions }: ToolGuardRow): GuardedTool {
  return {
    newest,
    definitions: JSON.parse(definitions) as readonly string[],
    ...(pinned === null ? {} : { pinned }),
  };
}

export type ToolStandingRow = {
  readonly location: string;
  readonly tool: string;
  readonly pinned: string | null;
  readonly newest: string;
};

export function standingOf({ location, tool, pinned, newest }: ToolStandingRow) {
  return { location, tool, newest, ...(pinned === null ? {} : { pinned }) };
}

export type StoredTool = ToolStandingRow & {
  readonly sequence: number;
  readonly pinnedAt: UnixMicros | null;
  readonly acceptedBy: string | null;
  readonly newestAt: UnixMicros;
  readonly seenAt: UnixMicros;
  readonly definitions: number;
};

export function toolOf(row: StoredTool): ToolRow {
  const { sequence, newestAt, seenAt, definitions, pinnedAt, acceptedBy } = row;
  const standing = standingOf(row);
  return {
    ...standing,
    ...{ sequence, newestAt, seenAt, definitions },
    state: toolStateOf(standing.newest, standing.pinned),
    ...(pinnedAt === null ? {} : { pinnedAt }),
    ...(acceptedBy === null ? {} : { acceptedBy }),
  };
}

export type StoredDefinition = {
  readonly sha256: string;
  readonly definition: string;
  readonly entryId: string | null;
  readonly seenAt: UnixMicros;
};
