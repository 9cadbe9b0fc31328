import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  readPrivateFile,
  removePrivateFile,
  writePrivateFile,
} from "../../../src/adapters/signer-disk/private-file.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import { openExchangeVault } from "../../../src/adapters/vault-disk/exchange-vault.ts";

const [ONE, OTHER] = ["xch_01900000-0000-7000-8000-000000000001", "xch_01900000-0000-7000-8000-000000000002"] as const;
const HANDLE = "an accessor that ends a token";
const randomness = systemRandomness();
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "stint-vault-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function vault(key: Uint8Array = new Uint8Array(32).fill(7)) {
  const files = {
    read: readPrivateFile,
    write: writePrivateFile,
    remove: removePrivateFile,
    list: (path: string) => readdir(path),
  };
  return openExchangeVault({ directory, key, files, randomness });
}

test("what was kept is found by whoever has the key, until it is dropped", async () => {
  await vault().keep(ONE, HANDLE);
  expect(await vault().find(ONE)).toBe(HANDLE);
  expect(await vault().find(OTHER)).toBeUndefined();
  await vault().drop(ONE);
  await vault().drop(ONE);
  expect(await vault().find(ONE)).toBeUndefined();
  expect(readdirSync(directory)).toEqual([]);
});

test("nothing of it can be read in its file, nor passed off as another's", async () => {
  await vault().keep(ONE, HANDLE);
  const sealed = readFileSync(join(directory, `${ONE}.sealed`));
  expect(sealed.includes("accessor")).toBe(false);
  writeFileSync(join(directory, `${OTHER}.sealed`), sealed, { mode: 0o600 });
  await expect(vault().find(OTHER)).rejects.toThrow();
  await expect(vault(new Uint8Array(32).fill(8)).find(ONE)).rejects.toThrow();
  writeFileSync(join(directory, `${ONE}.sealed`), sealed.fill(0, sealed.length - 16), { mode: 0o600 });
  await expect(vault().find(ONE)).rejects.toThrow();
});

test("what a broker left of exchanges that are over is dropped, and no other", async () => {
  for (const id of [ONE, OTHER]) await vault().keep(id, HANDLE);
  writeFileSync(join(directory, "of-somebody-else"), "", { mode: 0o600 });
  await vault().dropAllBut(new Set([OTHER]));
  expect(readdirSync(directory).toSorted()).toEqual(["of-somebody-else", `${OTHER}.sealed`]);
});

test("an id that is none makes no path", async () => {
  for (const id of ["../xch", "xch_../../etc/passwd", ""]) {
    await expect((async () => vault().keep(id, HANDLE))()).rejects.toThrow("not the id of an exchange");
  }
});
