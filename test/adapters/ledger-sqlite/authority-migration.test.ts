import { expect, test } from "vitest";
import { openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { migrate, readMigrations } from "../../../src/adapters/ledger-sqlite/migrate.ts";
import { project } from "../../../src/adapters/ledger-sqlite/project.ts";
import { AUTHORITY } from "../../../src/adapters/ledger-sqlite/tables/authority-table.ts";
import type { AuthorityPut, EpochStarted, LedgerEvent } from "../../../src/domain/ledger-event.ts";
import { microsOf } from "../../../src/domain/time.ts";
import { NOW } from "../../samples/credentials.ts";

const driver = await loadDriver();
const at = microsOf(NOW);

function authorityPut(authorityId: string, state: "active" | "old"): AuthorityPut {
  const authority = {
    authorityId,
    family: "jwt-svid",
    state,
    publicKey: "04ff",
    notBefore: NOW,
    expiresAt: NOW,
  } as const;
  return { type: "authority.put", v: 1, at, authority };
}
const epochStarted = (epoch: string): EpochStarted => ({ type: "epoch.started", v: 1, at, epoch, reason: "" });

test("the authorities of a ledger of the first schema are what its events say under the newest", () => {
  // As the first version recorded them: a restore was accepted between the two.
  const events: readonly LedgerEvent[] = [
    epochStarted("epoch_1"),
    authorityPut("before", "active"),
    epochStarted("epoch_2"),
    authorityPut("before", "old"),
    authorityPut("after", "active"),
  ];
  const replayed = openWriter(driver, ":memory:");
  migrate(replayed, readMigrations(), at);
  for (const [index, event] of events.entries()) project(replayed, event, index + 1);

  const migrated = openWriter(driver, ":memory:");
  migrate(migrated, readMigrations().slice(0, 1), at);
  const insert = "INSERT INTO authority VALUES (@id, 'jwt-svid', @state, x'04ff', NULL, @now, @now, @sequence)";
  migrated.run(insert, { id: "before", state: "old", now: NOW, sequence: 2 });
  migrated.run(insert, { id: "after", state: "active", now: NOW, sequence: 5 });
  migrate(migrated, readMigrations(), at);

  const rows = migrated.all("SELECT * FROM authority ORDER BY authority_id");
  expect(rows).toEqual(replayed.all("SELECT * FROM authority ORDER BY authority_id"));
  expect(migrated.all<{ readonly state: string }>(AUTHORITY.all).map(({ state }) => state)).toEqual([
    "removed",
    "active",
  ]);
  replayed.close();
  migrated.close();
});
