import { randomUUID } from "node:crypto";
import { logElsewhere } from "../../src/adapters/ledger-postgres/log-elsewhere.ts";
import { type Postgres, postgresPrograms, startPostgres } from "./server.ts";

/** As a site would have it, but for the disk, which no test here cuts the power of. */
const SETTINGS = ["fsync=off", "max_connections=300"];

/** A server, and new logs on it. */
export async function startSharedLogs(version: "16" | "18" = "16") {
  const programs = await postgresPrograms();
  const server = await startPostgres(programs[version], SETTINGS);
  return { server, newLog: () => newLogOn(server), close: () => server.close() };
}

/** Where a new and empty database is, for whoever shares its log. */
export async function newLogOn(server: Postgres) {
  const database = `stint_${randomUUID().replaceAll("-", "")}`;
  await server.query(`CREATE DATABASE ${database}`);
  return logElsewhere({
    ...{ host: "127.0.0.1", port: server.port, database, tls: "plain" },
    ...{ user: server.superuser.user, passwordFile: server.passwordFile },
    replica: { name: "a", instance: "a", machine: { bootId: "boot", pidNamespace: "4026531836" } },
  });
}
