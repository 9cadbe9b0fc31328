import { type ToolDefinition, type ToolRecord, ToolState } from "../../gen/stint/v1/tools_pb.js";
import { enumField, hexField, instantCell, instantField, textField } from "./fields.ts";
import { showControls } from "./show-controls.ts";
import { type ToolDifference, toolDifferences } from "./tool-difference.ts";
import { type Json, styleOf, type View } from "./view.ts";

/** A digest in a table: enough to tell two apart that nobody has made alike on purpose. */
const DIGEST_CELL_CHARACTERS = 12;

export const toolView: View<ToolRecord> = {
  fields: [
    ["location", ({ location }) => location],
    ["tool", ({ tool }) => tool],
    ["state", stateOf],
    ["pinned_sha256", ({ pinnedSha256 }) => hexField(pinnedSha256)],
    ["pinned_at", ({ pinnedAt }) => instantField(pinnedAt)],
    ["accepted_by", ({ acceptedBy }) => textField(acceptedBy)],
    ["newest_sha256", ({ newestSha256 }) => hexField(newestSha256)],
    ["newest_at", ({ newestAt }) => instantField(newestAt)],
    ["seen_at", ({ seenAt }) => instantField(seenAt)],
    ["definitions", ({ definitions }) => definitions],
  ],
  columns: [
    { header: "LOCATION", text: ({ location }) => location },
    { header: "TOOL", text: ({ tool }) => tool },
    {
      header: "STATE",
      text: stateOf,
      style: ({ state }) => styleOf(state === ToolState.PINNED, state === ToolState.CHANGED),
    },
    { header: "PINNED", text: ({ pinnedSha256 }) => digestCell(pinnedSha256) },
    { header: "NEWEST", text: ({ newestSha256 }) => digestCell(newestSha256) },
    { header: "SINCE", text: ({ newestAt }) => instantCell(newestAt) },
  ],
};

/** A tool with one of its definitions, to be compared with what is pinned. */
export type ComparedTool = {
  readonly tool: ToolRecord;
  readonly definitions: readonly ToolDefinition[];
  readonly compared: ToolDefinition;
  readonly differences: readonly ToolDifference[];
};

/** @param compared - one of the definitions. */
export function comparedTool(
  tool: ToolRecord,
  definitions: readonly ToolDefinition[],
  compared: ToolDefinition,
): ComparedTool {
  const pinned = definitions.find((one) => isSame(one.definitionSha256, tool.pinnedSha256));
  return {
    tool,
    definitions,
    compared,
    differences: toolDifferences(pinned?.definitionJson, compared.definitionJson),
  };
}

export function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

export const comparedToolView: View<ComparedTool> = {
  fields: [
    ...toolView.fields.map(([name, value]) => [name, ({ tool }: ComparedTool) => value(tool)] as const),
    ["compared_sha256", ({ compared }) => hexField(compared.definitionSha256)],
    ["differences", ({ differences }) => differences],
    [
      "kept",
      ({ definitions }) =>
        definitions.map((one) => ({
          definition_sha256: hexField(one.definitionSha256),
          seen_at: instantField(one.seenAt),
          reported_by: textField(one.reportedBy),
          definition: one.definitionJson,
        })),
    ],
  ],
  columns: [],
};

/** What differs, member by member, for people: each value as JSON, with whatever a terminal would not show escaped. */
export function differencePage({ tool, compared, differences }: ComparedTool): string {
  const sha256 = hexField(compared.definitionSha256) ?? "";
  if (isSame(compared.definitionSha256, tool.pinnedSha256)) return `\n${sha256} is pinned: nothing differs\n`;
  const isFirst = tool.pinnedSha256.length === 0;
  const title = isFirst ? `${sha256}, of which nothing is pinned:` : `${sha256}, against what is pinned:`;
  const lines = differences.flatMap(({ member, was, is }) => [
    `  ${showControls(member)}`,
    ...(isFirst ? [] : [`    was  ${valueText(was)}`]),
    `    ${isFirst ? "    " : "is  "} ${valueText(is)}`,
  ]);
  const accept = `stint tool accept ${tool.location} ${tool.tool} ${sha256} --reason "…"`;
  return `\n${[title, ...lines, "", "to accept it:", `  ${accept}`].join("\n")}\n`;
}

function valueText(value: Json): string {
  return value === null ? "-" : showControls(JSON.stringify(value));
}

function stateOf({ state }: ToolRecord): string {
  return enumField(ToolState, state);
}

function digestCell(bytes: Uint8Array): string {
  return hexField(bytes)?.slice(0, DIGEST_CELL_CHARACTERS) ?? "";
}
