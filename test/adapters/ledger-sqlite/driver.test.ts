import { expect, test } from "vitest";
import { isAtLeast, loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";

test.for(["20.20.2", "18.0.0", "21.9.9", ""])(
  "Node.js '%s' is refused before the library is loaded",
  async (version) => {
    await expect(loadDriver(version)).rejects.toMatchObject({ code: "NOT_SERVING" });
  },
);

test("this Node.js is accepted", async () => {
  await expect(loadDriver()).resolves.toBeTypeOf("function");
});

test.for([
  { version: "3.51.3", isEnough: true },
  { version: "3.51.10", isEnough: true },
  { version: "3.54", isEnough: true },
  { version: "4.0.0", isEnough: true },
  { version: "3.51.2", isEnough: false },
  { version: "3.9.99", isEnough: false },
  { version: "3.51", isEnough: false },
  { version: "none", isEnough: false },
])("SQLite $version is enough: $isEnough", ({ version, isEnough }) => {
  expect(isAtLeast(version, [3, 51, 3])).toBe(isEnough);
});
