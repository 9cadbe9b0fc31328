import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { buildJava, JAVA_BUILD_MS_MAX, javaIsMissing } from "../../java/java-toolchain.ts";
import { lineProgram, serverProgram } from "../stock-verifier.ts";
import { verifyingContract } from "../verifying-contract.ts";

describe.skipIf(javaIsMissing("tests with Java verifiers"))("in Java", () => {
  let directory = "";
  let command: readonly string[] = [];
  beforeAll(async () => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), "stint-java-verifiers-")));
    command = await buildJava(import.meta.dirname, directory, "Verifiers");
  }, JAVA_BUILD_MS_MAX);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const settings = join(import.meta.dirname, "application.yaml");
  describe("Spring Boot", () => {
    verifyingContract(
      "Spring Boot",
      serverProgram(async () => [...command, "spring", settings]),
    );
  });
  describe("Nimbus", () =>
    verifyingContract(
      "Nimbus",
      lineProgram(async () => [...command, "nimbus"]),
    ));
  describe("jjwt", () =>
    verifyingContract(
      "jjwt",
      lineProgram(async () => [...command, "jjwt"]),
    ));
});
