import { expect, test } from "vitest";
import { createParamHeaders } from "../../src/bridge/param-headers.ts";

const param = (name: unknown, type = "string") => ({ type, "x-mcp-header": name });
const toolOf = (properties: object, more: object = {}) => ({
  tools: [{ name: "lend", inputSchema: { type: "object", properties, ...more } }],
});

function headersOf(listed: ReturnType<typeof toolOf>, args: unknown) {
  const headers = createParamHeaders();
  headers.listed(listed);
  return headers.of({ name: "lend", arguments: args });
}

test.for([
  { what: "a text as it is", args: { a: "x" }, header: "x" },
  { what: "what no header can hold in its frame", args: { a: " é" }, header: "=?base64?IMOp?=" },
  { what: "nothing of what is no text", args: { a: { b: 1 } }, header: undefined },
  { what: "nothing of null", args: { a: null }, header: undefined },
  { what: "nothing of what is not there", args: {}, header: undefined },
  { what: "nothing where there are no arguments", args: undefined, header: undefined },
])("a call says $what", ({ args, header }) => {
  expect(headersOf(toolOf({ a: param("A") }), args)["Mcp-Param-A"]).toBe(header);
});

test("truth and whole numbers are said as JSON says them", () => {
  const listed = toolOf({ on: param("On", "boolean"), at: param("At", "integer") });
  expect(headersOf(listed, { on: false, at: 12 })).toEqual({ "Mcp-Param-On": "false", "Mcp-Param-At": "12" });
});

test.for([
  { what: "that would end the header", properties: { a: param("A\r\nAuthorization") } },
  { what: "without a letter", properties: { a: param("") } },
  { what: "that is no text", properties: { a: param(7) } },
  { what: "for a list", properties: { a: param("A", "array") } },
  { what: "in an alternative", properties: { a: { anyOf: [param("A")] } } },
])("a name $what is none", ({ properties }) => {
  expect(headersOf(toolOf(properties), { a: "x" })).toEqual({});
});

test("what a server lists later counts, and a schema without an end is not read to it", () => {
  const headers = createParamHeaders();
  headers.listed(toolOf({ a: param("A") }));
  headers.listed(toolOf({ b: param("B") }));
  expect(headers.of({ name: "lend", arguments: { a: "x", b: "y" } })).toEqual({ "Mcp-Param-B": "y" });
  const endless: Record<string, unknown> = { type: "object" };
  endless["properties"] = { a: endless };
  headers.listed({ tools: [{ name: "lend", inputSchema: endless }] });
  expect(headers.of({ name: "lend", arguments: {} })).toEqual({});
});
