import { afterAll, beforeAll } from "vitest";
import { describeWithPostgres } from "../postgres/server.ts";
import { startSharedLogs } from "../postgres/shared-logs.ts";
import { ledgerContract } from "./ledger.ts";
import { signingContract } from "./ledger-signing.ts";
import { openSigningSqlite, openSqlite } from "./sqlite-ledger.ts";

describeWithPostgres("with a server", () => {
  let logs: Awaited<ReturnType<typeof startSharedLogs>>;
  beforeAll(async () => {
    logs = await startSharedLogs();
  });
  afterAll(() => logs.close());

  ledgerContract("a log in PostgreSQL, with the tables of a replica", async () => {
    const shared = await logs.newLog();
    return openSqlite(() => ({ shared }));
  });
  signingContract("a log in PostgreSQL, with the tables of a replica", async () =>
    openSigningSqlite(undefined, await logs.newLog()),
  );
});
