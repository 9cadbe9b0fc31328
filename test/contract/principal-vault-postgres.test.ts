import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { openCommonSecrets } from "../../src/adapters/ledger-postgres/common-secrets.ts";
import { openSharedLog } from "../../src/adapters/ledger-postgres/shared-log.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { openPrincipalVault } from "../../src/adapters/vault-disk/principal-vault.ts";
import { describeWithPostgres } from "../postgres/server.ts";
import { startSharedLogs } from "../postgres/shared-logs.ts";
import { principalVaultContract } from "./principal-vault.ts";

const ADA = { iss: "https://id.example.org", sub: "ada", claims: {} };

describeWithPostgres("among brokers that share a log", () => {
  let logs: Awaited<ReturnType<typeof startSharedLogs>>;
  beforeAll(async () => {
    logs = await startSharedLogs();
  });
  afterAll(() => logs.close());

  /** Vaults of brokers of one new log. */
  async function newLog() {
    const { settings } = await logs.newLog();
    await (await openSharedLog(settings)).close();
    const randomness = systemRandomness();
    return async () => {
      const common = openCommonSecrets(settings);
      onTestFinished(common.close);
      return openPrincipalVault({ salt: await common.salt(() => randomness.bytes(32)), keys: common.keys, randomness });
    };
  }

  principalVaultContract("a vault whose keys are in the log's database", async () => {
    const open = await newLog();
    const [vault, again] = [await open(), await open()];
    return { vault, again: () => again };
  });

  test("what one has sealed another reads, by keys that both make at once, and no longer once one has erased it", async () => {
    const open = await newLog();
    const [one, other] = await Promise.all([open(), open()]);
    const sealed = await Promise.all([one.seal(ADA), other.seal(ADA)]);
    for (const { principalId, sealed: text } of sealed) {
      for (const vault of [one, other]) {
        expect(await vault.open({ principalId, sealed: text })).toMatchObject({ sub: "ada" });
      }
    }
    const [{ principalId, sealed: text }] = sealed;
    await one.erase(principalId);
    other.forget(principalId);
    expect(await other.open({ principalId, sealed: text })).toBeUndefined();
  });
});
