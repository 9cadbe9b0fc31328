import { beforeAll, describe } from "vitest";
import { buildRust, RUST_BUILD_MS_MAX, rustIsMissing } from "../../rust/cargo-toolchain.ts";
import { lineProgram } from "../stock-verifier.ts";
import { verifyingContract } from "../verifying-contract.ts";

describe.skipIf(rustIsMissing("tests with the crate jsonwebtoken"))("jsonwebtoken", () => {
  let program = "";
  beforeAll(async () => {
    program = await buildRust(import.meta.dirname, "verifiers");
  }, RUST_BUILD_MS_MAX);

  verifyingContract(
    "jsonwebtoken (Rust)",
    lineProgram(async () => [program]),
  );
});
