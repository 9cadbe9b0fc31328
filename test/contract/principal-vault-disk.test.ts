import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { diskVault } from "../adapters/vault-disk/disk-vault.ts";
import { principalVaultContract } from "./principal-vault.ts";

principalVaultContract("a vault on disk", async () => {
  const directory = await mkdtemp(join(tmpdir(), "stint-vault-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const salt = crypto.getRandomValues(new Uint8Array(32));
  const again = () => diskVault(directory, salt);
  return { vault: again(), again };
});
