import { fileURLToPath } from "node:url";
import { describe } from "vitest";
import { lineProgram } from "../stock-verifier.ts";
import { verifyingContract } from "../verifying-contract.ts";

describe("jose", () => {
  const program = fileURLToPath(new URL("./jose.ts", import.meta.url));
  verifyingContract(
    "jose",
    lineProgram(async () => [process.execPath, program]),
  );
});
