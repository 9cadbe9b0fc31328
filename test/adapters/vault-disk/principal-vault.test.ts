import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { diskVault } from "./disk-vault.ts";

const SALT = new Uint8Array(32).fill(7);
const ADA = { iss: "https://id.example.org", sub: "ada", claims: {} };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "stint-vault-"));
  onTestFinished(() => rm(directory, { recursive: true }));
});

test("a key is a file for the broker's user alone, whose name says nothing of whom", async () => {
  const vault = diskVault(directory, SALT);
  const { principalId } = await vault.seal(ADA);
  expect(await readdir(directory)).toEqual([`${principalId}.key`]);
  expect((await stat(join(directory, `${principalId}.key`))).mode & 0o777).toBe(0o600);
});

test("erasing leaves no file, and no byte of the key, in the directory", async () => {
  const vault = diskVault(directory, SALT);
  const { principalId } = await vault.seal(ADA);
  expect((await readFile(join(directory, `${principalId}.key`))).length).toBe(40);
  await vault.erase(principalId);
  expect(await readdir(directory)).toEqual([]);
});

test("a key that others could have read is not used", async () => {
  const sealed = await diskVault(directory, SALT).seal(ADA);
  await chmod(join(directory, `${sealed.principalId}.key`), 0o644);
  await expect(diskVault(directory, SALT).open(sealed)).rejects.toThrow("has mode 0644");
});

test("a key that was cut off is not used, and not replaced by another", async () => {
  const vault = diskVault(directory, SALT);
  const { principalId, sealed } = await vault.seal(ADA);
  await writeFile(join(directory, `${principalId}.key`), "short");
  const again = diskVault(directory, SALT);
  await expect(again.open({ principalId, sealed })).rejects.toThrow("not as it was written");
  await expect(again.seal(ADA)).rejects.toThrow("not as it was written");
});

test("no path is made of what is no id", async () => {
  const vault = diskVault(directory, SALT);
  await expect(vault.erase("../../etc/passwd")).rejects.toThrow("not the id of a principal");
  await expect(vault.open({ principalId: "../keys/a", sealed: "a.b" })).rejects.toThrow("not the id of a principal");
});
