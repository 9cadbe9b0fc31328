import { createPrivateKey, createPublicKey } from "node:crypto";
import { expect, test } from "vitest";
import { systemKeyPairs } from "../../../src/adapters/system/system-key-pairs.ts";

test("a pair that was made ahead is given to one caller alone, and its two keys belong together", async () => {
  const pairs = systemKeyPairs();
  const first = await pairs.generate();
  const all = [first, await pairs.generate(), ...(await Promise.all([pairs.generate(), pairs.generate()]))];
  expect(new Set(all.map(({ privateKey }) => Buffer.from(privateKey).toString("hex"))).size).toBe(4);
  for (const { publicKey, privateKey } of all) {
    const key = createPrivateKey({ key: Buffer.from(privateKey), format: "der", type: "pkcs8" });
    const own = createPublicKey(key).export({ format: "der", type: "spki" });
    expect(own).toEqual(Buffer.from(publicKey));
  }
});
