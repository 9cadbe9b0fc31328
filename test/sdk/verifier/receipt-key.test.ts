import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { UnixMicros } from "../../../src/domain/time.ts";
import { keepReceiptKey } from "../../../src/sdk/verifier/receipt-key.ts";
import { isSignedReceipt } from "../../../src/verify/receipt-signature.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "stint-"));
  path = join(directory, "receipt.key");
});
afterEach(() => rmSync(directory, { recursive: true }));

const SAID = { verifier: "spiffe://example.org/verifier/one", epoch: "e", sequence: 7, at: 8 as UnixMicros };

test("a key is made once, for its owner alone, and signs what the broker can verify", async () => {
  const key = keepReceiptKey(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const pem = readFileSync(path, "utf8");
  const again = keepReceiptKey(path);
  expect(again.publicKey).toBe(key.publicKey);
  expect(readFileSync(path, "utf8")).toBe(pem);
  const signature = Buffer.from(again.sign(SAID)).toString("base64url");
  expect(await isSignedReceipt({ ...SAID, key: key.publicKey, signature })).toBe(true);
});

test("a file that others may read is refused, and so is one without such a key", () => {
  keepReceiptKey(path);
  chmodSync(path, 0o640);
  expect(() => keepReceiptKey(path)).toThrow("receiptKeyFile");
  writeFileSync(path, "no key", { mode: 0o600 });
  chmodSync(path, 0o600);
  expect(() => keepReceiptKey(path)).toThrow("receiptKeyFile");
});
