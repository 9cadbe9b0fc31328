import { describe, expect, test } from "vitest";
import { refusedBy, refusedByServer } from "../../src/bridge/bridge-refusal.ts";
import { StintError } from "../../src/sdk/runtime/index.ts";

const REFUSED = {
  type: "mcp_tool",
  locations: ["https://mcp.example.org/mcp"],
  identifier: "erase",
  actions: ["write"],
  datatypes: ["internal"],
};
const UNTIL = "2026-01-31T12:00:00.000Z";

function answered(data: object, message = "no") {
  return refusedByServer(JSON.stringify({ jsonrpc: "2.0", id: 1, error: { code: -32_010, message, data } }));
}

describe("what a model reads of a refusal", () => {
  test.for([
    {
      what: "names who can approve the call",
      data: { reason: "POLICY_DENIED", refused: [REFUSED], approval: "operators" },
      says: "Somebody with the role operators can approve it",
    },
    {
      what: "names the approval that the call waits for",
      data: { reason: "POLICY_DENIED", refused: [REFUSED], approval_id: "call_1", approval_until: UNTIL },
      says: `waits for approval until ${UNTIL} (call_1): the same call, made again once it is approved, passes`,
    },
    {
      what: "says that nothing helps in a step that has ended",
      data: { reason: "STEP_CLOSED", state: "REVOKED" },
      says: "The step has ended (REVOKED): nothing can be called in it any more",
    },
  ])("$what", ({ data, says }) => {
    expect(answered(data)?.message).toContain(says);
    expect(answered(data)?.data).toMatchObject(data);
  });

  test("holds no more of the server's data than is known, and nothing that a terminal obeys", () => {
    const extra = { reason: "STALE", token: "eyJhbGciOiJFUzI1NiJ9.e30.c2ln", refused: [{ type: "other" }] };
    const refused = answered(extra, "a\u001b[31mb\u202ec");
    expect(refused?.data).toEqual({ reason: "STALE" });
    expect(refused?.message).toBe("STALE: a [31mb c");
  });

  test.for(["", "no JSON", "{}", '{"error": {"data": {"reason": "no word of ours"}}}'])(
    "a body without a refusal has none: %j",
    (text) => expect(refusedByServer(text)).toBeUndefined(),
  );

  test("a broker that can't answer now is no refusal for good; what is not ours is nobody's word", () => {
    expect(refusedBy(new StintError("UNREACHABLE", "the broker does not answer"))).toMatchObject({ status: 503 });
    expect(refusedBy(new StintError("NOT_ENTITLED", "not the executor"))).toMatchObject({ status: 403 });
    expect(refusedBy(new Error("/path/of/ours"))).toBeUndefined();
  });
});
