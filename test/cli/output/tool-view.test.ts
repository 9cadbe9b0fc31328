import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { toolDifferences } from "../../../src/cli/output/tool-difference.ts";
import { comparedTool, differencePage } from "../../../src/cli/output/tool-view.ts";
import { ToolDefinitionSchema, ToolRecordSchema, ToolState } from "../../../src/gen/stint/v1/tools_pb.js";

const [OLD, NEW] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const kept = (definitionSha256: Buffer, definition: object) =>
  create(ToolDefinitionSchema, {
    definitionSha256: new Uint8Array(definitionSha256),
    definitionJson: JSON.stringify(definition),
  });

function pageOf(was: object | undefined, is: object): string {
  const tool = create(ToolRecordSchema, {
    location: "https://mcp.example.org",
    tool: "search",
    state: ToolState.CHANGED,
    pinnedSha256: was === undefined ? new Uint8Array() : new Uint8Array(OLD),
    newestSha256: new Uint8Array(NEW),
  });
  const compared = kept(NEW, is);
  return differencePage(comparedTool(tool, [...(was === undefined ? [] : [kept(OLD, was)]), compared], compared));
}

test("a difference is told by the innermost member that is another, and nothing else is told", () => {
  const was = {
    description: "same",
    inputSchema: { properties: { "a/b": { type: "string" }, gone: {} }, required: ["q"] },
  };
  const is = {
    description: "same",
    inputSchema: { properties: { "a/b": { type: "number" } }, required: ["q", "r"] },
    title: "T",
  };
  expect(toolDifferences(JSON.stringify(was), JSON.stringify(is))).toEqual([
    { member: "/inputSchema/properties/a~1b/type", was: "string", is: "number" },
    { member: "/inputSchema/properties/gone", was: {}, is: null },
    { member: "/inputSchema/required/1", was: null, is: "r" },
    { member: "/title", was: null, is: "T" },
  ]);
});

test("a member that is another kind of thing is told whole, and so is one named as those of every object are", () => {
  const differences = toolDifferences('{"a":[1],"__proto__":1,"constructor":{"x":1}}', '{"a":{"0":1},"__proto__":2}');
  expect(differences).toEqual([
    { member: "/a", was: [1], is: { 0: 1 } },
    { member: "/__proto__", was: 1, is: 2 },
    { member: "/constructor", was: { x: 1 }, is: null },
  ]);
});

// An operator decides by what is on the screen: what steers a terminal, turns text around or can't be seen must be there to see.
test.for([
  { what: "a space without width", text: "books\u200b", shown: "books\\u{200b}" },
  { what: "text that is turned around", text: "\u202edlo", shown: "\\u{202e}dlo" },
  { what: "a color", text: "\u001b[8m", shown: "\\u001b[8m" },
  { what: "another line", text: "a\nb", shown: "a\\nb" },
  { what: "a variation of a character", text: "a\ufe0f", shown: "a\\u{fe0f}" },
  { what: "a filler that is a letter", text: "a\u3164b", shown: "a\\u{3164}b" },
  { what: "tags", text: "a\u{e0041}", shown: "a\\u{e0041}" },
  { what: "a blank that is no space", text: "a\u00a0b\u2800", shown: "a\\xa0b\\u{2800}" },
])("$what is shown for what it is", ({ text, shown }) => {
  const page = pageOf({ description: "books" }, { description: text });
  expect(page).toContain(`    is   "${shown}"\n`);
  expect(page).toMatch(/^[\n\x20-\x7e…]*$/);
});

test("the names of members can't deceive either", () => {
  const page = pageOf({}, { inputSchema: { "a\u202e\n  /title": 1 } });
  expect(page).toContain("  /inputSchema\n");
  expect(pageOf({ inputSchema: {} }, { inputSchema: { "a\u202e\nb": 1 } })).toContain(
    "  /inputSchema/a\\u{202e}\\x0ab\n",
  );
});

test("of what nothing is pinned, all is shown, and the command names what was shown", () => {
  const page = pageOf(undefined, { name: "search", description: "books" });
  expect(page).toBe(
    [
      "",
      `${"02".repeat(32)}, of which nothing is pinned:`,
      "  /name",
      '         "search"',
      "  /description",
      '         "books"',
      "",
      "to accept it:",
      `  stint tool accept https://mcp.example.org search ${"02".repeat(32)} --reason "…"`,
      "",
    ].join("\n"),
  );
});
