// What a broker is like whose log is in PostgreSQL on the same machine, next to one on SQLite; what two on one log are like; and what the
// server itself does in one commit after the other: `make bench-postgres`.
import { execFile } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { parseArgs, promisify } from "node:util";
import { type Postgres, postgresPrograms, startPostgres } from "../../test/postgres/server.ts";
import { newLogOn } from "../../test/postgres/shared-logs.ts";
import { type BrokerProcess, startBroker } from "./broker-process.ts";
import { packedDaemon, ROOT } from "./checkout.ts";
import { orderOf, startBoth } from "./compare.ts";
import { compareLoads } from "./compare-loads.ts";
import { createComparison } from "./compared-rows.ts";
import { startCallers } from "./compiled-generator.ts";
import { BROKER_WARM_UP, LOADS } from "./loads.ts";
import { machineName } from "./machine.ts";
import { printRows } from "./report-comparison.ts";
import { print } from "./table.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "1" },
  },
});
const CALLERS = [1, 64] as const;
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
if (!(rounds >= 2)) throw new Error("an interval takes two rounds or more");
const say = (progress: string) => void process.stderr.write(`${progress}\n`);
const run = promisify(execFile);

const program = packedDaemon(ROOT);
const programs = (await postgresPrograms())["18"];
const server = await startPostgres(programs, ["max_connections=100"]);
try {
  const comparison = createComparison();
  const replicas: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    say(`round ${round} of ${rounds}`);
    const order = orderOf(round);
    const postgres = await newPlace(server);
    await using brokers = await startBoth(async (side) =>
      startBroker({ program, watchesEventLoop: true, ...(side === "head" && { postgres: postgres("a") }) }),
    );
    for (const load of LOADS) await compareLoads(comparison, brokers, { load, order, callers: CALLERS, seconds });
    await using second = await startBroker({ program, watchesEventLoop: true, postgres: postgres("b") });
    replicas.push(await ratioOfTwo(brokers.head, second));
  }
  print(`${machineName()}; base: SQLite, head: PostgreSQL 18 on this machine, fsync on; ${rounds} rounds\n`);
  printRows(comparison.rows());
  const ratios = replicas.map((ratio) => ratio.toFixed(2)).join(", ");
  print(`\nJWT-SVID, 32 callers at each of two replicas: ${ratios} x 64 at one`);
  const [alone, many] = [await pgbench(server, 1), await pgbench(server, 16)];
  print(`pgbench -N on the same server, 1 client: ${alone} transactions a second; 16: ${many}`);
} finally {
  await server.close();
}

/** The `ledger.postgres` of the replicas of a new log. */
async function newPlace(on: Postgres): Promise<(replica: string) => object> {
  const { host, port, database, user, passwordFile } = (await newLogOn(on)).settings;
  return (replica) => ({ replica, host, port, database, user, password_file: passwordFile, plain_on_loopback: true });
}

/** By turns, so that both are of the same minute. */
async function ratioOfTwo(first: BrokerProcess, second: BrokerProcess): Promise<number> {
  await using loads = await startBoth((side) => startCallers("jwt", side === "base" ? first : second));
  const warmUpSeconds = 0.5;
  for (const load of [loads.base, loads.head]) await load.measure(BROKER_WARM_UP);
  const of = async (load: typeof loads.base, callers: number) => {
    const { count, wallSeconds } = await load.measure({ callers, seconds: 4 * seconds, warmUpSeconds });
    return count / wallSeconds;
  };
  const both = async () => {
    const rates = await Promise.all([of(loads.base, 32), of(loads.head, 32)]);
    return rates[0] + rates[1];
  };
  const [alone, together, again] = [await of(loads.base, 64), await both(), await of(loads.base, 64)];
  return (2 * together) / (alone + again);
}

async function pgbench({ port, superuser }: Postgres, clients: number): Promise<string> {
  const environment = { ...process.env, PGPASSWORD: superuser.password };
  const place = ["-h", "127.0.0.1", "-p", String(port), "-U", superuser.user, "postgres"];
  await run(join(programs, "pgbench"), ["-i", "-q", ...place], { env: environment });
  const load = ["-N", "-M", "prepared", "-T", "8", "-c", String(clients)];
  const { stdout } = await run(join(programs, "pgbench"), [...load, ...place], { env: environment });
  return /tps = ([0-9]+)/.exec(stdout)?.[1] ?? "?";
}
