import { join } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { beforeAll, describe, expect, test } from "vitest";
import { STEP } from "../../../samples/credentials.ts";
import { pythonIsMissing, pythonWithPackages } from "../../python/python-environment.ts";
import { lineProgram, serverProgram } from "../stock-verifier.ts";
import { START_MS_MAX, startVerifying, verifyingContract } from "../verifying-contract.ts";

/** Time to download and unpack the packages, once; afterwards they are there. */
const INSTALL_MS_MAX = 300_000;

describe.skipIf(pythonIsMissing() !== undefined)("in Python", () => {
  let python: string;
  let pythonWithSpiffe: string;
  beforeAll(async () => {
    python = await pythonWithPackages(join(import.meta.dirname, "requirements.txt"));
    pythonWithSpiffe = await pythonWithPackages();
  }, INSTALL_MS_MAX);

  // "-B": no compiled files beside the sources.
  const file = (program: string) => join(import.meta.dirname, program);
  const command = (program: string) => async () => [python, "-B", file(program)];

  describe("PyJWT", () => verifyingContract("PyJWT", lineProgram(command("pyjwt_verifier.py"))));
  describe("py-spiffe", () =>
    verifyingContract(
      "py-spiffe",
      lineProgram(async () => [pythonWithSpiffe, "-B", file("pyspiffe_verifier.py")]),
    ));

  describe("mcp", () => {
    const start = serverProgram(command("mcp_server.py"));
    verifyingContract("mcp (Python)", start);

    test(
      "refuses another server's token by `resource`, where the verifier it was given looks at no audience",
      async () => {
        await using scene = await startVerifying(start, "defaults");
        expect(await scene.judge(await scene.issuer.mint("https://files.example.org/mcp"))).toBe("refused");
        expect(await scene.judge(await scene.issuer.mint(scene.audience))).toBe("taken");
      },
      START_MS_MAX,
    );
  });

  describe("FastMCP", () => {
    const start = serverProgram(command("fastmcp_server.py"));
    verifyingContract("FastMCP", start);

    test(
      "lets a step call what its grant covers, and nothing else",
      async () => {
        await using scene = await startVerifying(start, "guide");
        const authorization = `Bearer ${await scene.issuer.mint(scene.audience)}`;
        const client = new Client({ name: "agent", version: "1" });
        const requestInit = { headers: { authorization } };
        await client.connect(new StreamableHTTPClientTransport(new URL(scene.audience), { requestInit }));
        const granted = await client.callTool({ name: "search", arguments: { query: "invoices" } });
        const other = await client.callTool({ name: "delete", arguments: { document: "1" } });
        await client.close();
        const text = `${STEP.spiffeId} searched for invoices`;
        expect(granted).toMatchObject({ content: [{ type: "text", text }] });
        expect(other).toMatchObject({ isError: true, content: [{ text: expect.stringContaining("does not cover") }] });
      },
      START_MS_MAX,
    );

    test(
      "refuses every token of ours where it is not told the algorithm",
      async () => {
        const untold = async () => ["env", "NO_ALGORITHM=1", ...(await command("fastmcp_server.py")())];
        await using scene = await startVerifying(serverProgram(untold), "defaults");
        expect(await scene.judge(await scene.issuer.mint(scene.audience))).toBe("refused");
      },
      START_MS_MAX,
    );
  });
});
