import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { keyDoor } from "../../scripts/attacks/key-door.ts";

// The usual set-up has to be one that a careful team could run: otherwise no attack on it shows anything.

function doorOf(key: string) {
  const directory = mkdtempSync(join(tmpdir(), "stint-key-door-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const served: string[] = [];
  const door = keyDoor(key, join(directory, "audit.db"), async (request) => {
    served.push(await request.text());
    return Response.json({ jsonrpc: "2.0", id: 1, result: {} });
  });
  const call = async (name: string, authorization?: string) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name } });
    const headers = { "content-type": "application/json", ...(authorization !== undefined && { authorization }) };
    return (await door.handle(new Request("http://127.0.0.1/mcp", { method: "POST", headers, body }))).status;
  };
  return { door, call, served };
}

test("without the key nothing is served, whatever stands in its place", async () => {
  const { call, served } = doorOf("key_1");
  for (const authorization of [
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "Bearer key_2",
    "bearer key_1",
    "key_1",
    "Bearer key_1 ",
  ]) {
    // A header's value has no blanks around it.
    const expected = authorization?.trim() === "Bearer key_1" ? 200 : 401;
    expect([authorization, await call("customers", authorization)]).toEqual([authorization, expected]);
  }
  expect(served).toHaveLength(1);
});

test("a tool that the role does not have is refused, and each call is a row", async () => {
  const { door, call, served } = doorOf("key_1");
  expect(await call("customers", "Bearer key_1")).toBe(200);
  expect(await call("drop_tables", "Bearer key_1")).toBe(403);
  expect(await call("customers")).toBe(401);
  expect(served).toHaveLength(1);
  expect(door.audited()).toEqual([
    { role: "agent", tool: "customers", status: 200 },
    { role: "agent", tool: "drop_tables", status: 403 },
    { role: null, tool: "customers", status: 401 },
  ]);
  expect(door.audited()).toEqual([]);
});
