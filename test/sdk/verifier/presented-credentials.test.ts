import { describe, expect, test } from "vitest";
import { presentedCredentials } from "../../../src/sdk/verifier/presented-credentials.ts";
import { VerificationError } from "../../../src/verify/verification-error.ts";
import { answerOf, PROTOCOLS } from "../mcp-guard/protocols.ts";

const REQUEST = { method: "POST", url: "https://mcp.example.com/mcp" };

describe.for(PROTOCOLS)("the credentials of a request of Node's, over $protocol", ({ serve }) => {
  /** What they are by the raw headers of the request. */
  async function readOf(...headers: readonly (readonly [name: string, value: string])[]): Promise<unknown> {
    const begin = await serve(({ rawHeaders }, response) => {
      try {
        response.end(JSON.stringify(presentedCredentials({ ...REQUEST, headers: rawHeaders })));
      } catch (thrown) {
        response.end(JSON.stringify(thrown instanceof VerificationError ? thrown.code : String(thrown)));
      }
    });
    return JSON.parse((await answerOf(begin({ headers }))).text);
  }

  test("are read from its raw headers", async () => {
    const read = await readOf(["Authorization", "DPoP a.b.c"], ["dpop", "d.e.f"], ["Txn-Token", "g.h.i"]);
    expect(read).toEqual({ scheme: "DPoP", token: "a.b.c", dpop: "d.e.f", transactionToken: "g.h.i" });
  });

  test("are refused when there are two tokens", async () => {
    expect(await readOf(["authorization", "Bearer a"], ["authorization", "Bearer b"])).toBe("REQUEST_MALFORMED");
  });
});

test("the credentials of a request may come in a record, with what HTTP/2 puts among its headers", () => {
  const headers = { ":method": "POST", ":path": "/mcp", authorization: "Bearer a.b.c" };
  expect(presentedCredentials({ ...REQUEST, headers })).toMatchObject({ scheme: "Bearer", token: "a.b.c" });
});
