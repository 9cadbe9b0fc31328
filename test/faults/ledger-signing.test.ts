import { hash } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { addSeconds } from "../../src/domain/time.ts";
import { eventually } from "../adapters/ledger-sqlite/ledger-directory.ts";
import { openSigningSqlite } from "../contract/sqlite-ledger.ts";
import { NOW } from "../samples/credentials.ts";
import { PRLIMIT, whileWritesFail } from "./failing-writes.ts";
import { isThere } from "./small-disk.ts";

test("what could not be committed is not signed, in the ledger's own thread either", async ({ skip }) => {
  skip(!isThere(PRLIMIT), `${PRLIMIT} is not installed`);
  const failures: unknown[] = [];
  const { world, signer, signed, close } = await openSigningSqlite((error) => failures.push(error));
  onTestFinished(close);
  const step = await world.open(await world.agent());
  const authority = await signer.create("jwt-svid", { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) });
  const toBeSigned = Buffer.from("to be signed");
  const own = { authorityId: authority.authorityId, toBeSignedSha256: hash("sha256", toBeSigned) };
  const act = () => {
    const { items, ...rest } = world.issueAct([world.record(step, own)], { entryId: step.agentEntryId });
    return { ...rest, items: items.map((item) => ({ ...item, toBeSigned })) };
  };

  await whileWritesFail(async () => {
    await expect(world.ledger.perform(act())).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  });
  expect(signed()).toEqual([]);
  await eventually(() => world.store.health().writable);
  expect(await world.ledger.perform(act())).toMatchObject([{ signing: { kind: "signature" } }]);
});
