import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
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
  describe("mcp", () => verifyingContract("mcp (Python)", serverProgram(command("mcp_server.py"))));

  describe("FastMCP", () => {
    verifyingContract("FastMCP", serverProgram(command("fastmcp_server.py")));

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
