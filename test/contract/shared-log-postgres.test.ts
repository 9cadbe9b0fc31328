import { Client } from "pg";
import { afterAll, beforeAll } from "vitest";
import { openSharedLog } from "../../src/adapters/ledger-postgres/shared-log.ts";
import { openTcpGate } from "../exchange/tcp-gate.ts";
import { describeWithPostgres } from "../postgres/server.ts";
import { startSharedLogs } from "../postgres/shared-logs.ts";
import { machineOf, type SharedLogScene, sharedLogContract } from "./shared-log.ts";

// The clock of the server is put forward for the log's connections: what they ask for by its name is found in this schema first.
const CLOCK = `
  CREATE SCHEMA clock;
  CREATE TABLE clock.passed (ms float8);
  INSERT INTO clock.passed VALUES (0);
  CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS
    'SELECT pg_catalog.clock_timestamp() + (SELECT ms FROM clock.passed) * interval ''1 millisecond''';`;
/** As it is on the wire: other statements have the word in them too. */
const COMMIT = "COMMIT\0";

describeWithPostgres("with a server", () => {
  let logs: Awaited<ReturnType<typeof startSharedLogs>>;
  beforeAll(async () => {
    logs = await startSharedLogs();
  });
  afterAll(() => logs.close());

  sharedLogContract(async () => {
    const { settings } = await logs.newLog();
    const { port, database } = settings;
    const client = new Client({ host: "127.0.0.1", port, database, ...logs.server.superuser });
    await client.connect();
    await client.query(CLOCK);
    await client.query(`ALTER DATABASE ${database} SET search_path = clock, pg_catalog, public`);
    const closing: (() => Promise<void>)[] = [() => client.end()];

    const open: SharedLogScene["open"] = async (name, instance = name) => {
      const gate = await openTcpGate(port);
      const replica = { name, instance, machine: machineOf(name) };
      const log = await openSharedLog({ ...settings, port: gate.port, replica });
      closing.push(async () => {
        await log.close();
        await gate.close();
      });
      return {
        log,
        cut: () => gate.set("down"),
        mend: () => gate.set("through"),
        async unanswered(how, work) {
          if (how === "kept") gate.set("holding", COMMIT);
          else gate.set("losing", COMMIT);
          const answer = work();
          if (how === "kept") await gate.held();
          else await gate.lost();
          gate.set("down");
          const told = await answer;
          gate.set("through");
          return told;
        },
      };
    };

    return {
      open,
      async pass(ms) {
        await client.query(`UPDATE clock.passed SET ms = ms + ${ms}`);
      },
      async close() {
        for (const close of closing.reverse()) await close();
      },
    };
  });
});
