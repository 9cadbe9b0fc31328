import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { buildGo, GO_BUILD_MS_MAX, goIsMissing } from "../../go-toolchain.ts";
import { lineProgram } from "../stock-verifier.ts";
import { verifyingContract } from "../verifying-contract.ts";

describe.skipIf(goIsMissing("tests with Vault's auth method"))("Vault's auth method for JWTs", () => {
  let directory = "";
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "stint-vault-"));
    await buildGo(import.meta.dirname, join(directory, "vault"));
  }, GO_BUILD_MS_MAX);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const file = (name: string) => join(import.meta.dirname, name);
  const start = lineProgram(async () => [join(directory, "vault"), file("config.json"), file("role.json")]);
  verifyingContract("Vault's jwt auth method", start, { canRefuseBound: false });
});
