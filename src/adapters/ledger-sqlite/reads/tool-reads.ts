import type { KeptDefinition, ToolReads } from "../../../ports/tool-reads.ts";
import {
  guardedToolOf,
  type StoredDefinition,
  type StoredTool,
  TOOL,
  TOOL_DEFINITION,
  type ToolGuardRow,
  toolOf,
} from "../tables/tool-table.ts";
import type { Reader } from "./reader.ts";

export function createToolReads({ read }: Reader): ToolReads {
  return {
    async tool(location, tool) {
      const row = read((db) => db.get<StoredTool>(TOOL.byName, { location, tool }));
      return row === undefined ? undefined : toolOf(row);
    },
    definitions: async (location, tool) =>
      read((db) => db.all<StoredDefinition>(TOOL_DEFINITION.ofTool, { location, tool })).map(keptOf),
    async kept(location, tool) {
      const row = read((db) => db.get<ToolGuardRow>(TOOL.guard, { location, tool }));
      return row === undefined ? undefined : guardedToolOf(row);
    },
  };
}

function keptOf({ entryId, ...kept }: StoredDefinition): KeptDefinition {
  return { ...kept, ...(entryId === null ? {} : { entryId }) };
}
