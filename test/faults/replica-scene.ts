import { onTestFinished } from "vitest";
import type { Daemon } from "../daemon.ts";
import { type Postgres, postgresPrograms, startPostgres } from "../postgres/server.ts";
import { newLogOn } from "../postgres/shared-logs.ts";
import { startOwnDaemon } from "./daemon-scene.ts";

/** A server whose disk is as real as the machine's, and brokers on a log in it; all gone with the test. */
export async function startReplicas(
  names: readonly string[],
  { settings = [], environment = {} }: ReplicaOptions = {},
): Promise<{ readonly server: Postgres; readonly daemons: readonly Daemon[] }> {
  const server = await startPostgres((await postgresPrograms())["16"], ["max_connections=100", ...settings]);
  onTestFinished(() => server.close());
  const { host, port, database, user, passwordFile } = (await newLogOn(server)).settings;
  const daemons: Daemon[] = [];
  for (const replica of names) {
    const place = { replica, host, port, database, user, password_file: passwordFile };
    const ledger = {
      reserve_bytes: 1_048_576,
      disk_free_bytes_min: 1_048_576,
      postgres: { ...place, plain_on_loopback: true },
    };
    daemons.push(await startOwnDaemon({ config: { ledger }, environment: environment[replica] ?? {} }));
  }
  return { server, daemons };
}

type ReplicaOptions = {
  readonly settings?: readonly string[];
  /** Of each replica's daemon, by its name. */
  readonly environment?: Readonly<Record<string, NodeJS.ProcessEnv>>;
};
