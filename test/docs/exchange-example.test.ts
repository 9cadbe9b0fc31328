import { execFile } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { acceptEntries } from "../../src/config/entries.ts";
import { entrySchema } from "../../src/config/entry-schema.ts";
import { exchangeOf, exchangesSection } from "../../src/config/exchanges-section.ts";
import { INSTALL_MS_MAX } from "../conformance/locked-packages.ts";
import { pythonIsMissing } from "../conformance/python/python-environment.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Postgres, postgresPrograms, startPostgres } from "../postgres/server.ts";
import { read, sourceText } from "./documents.ts";
import { countBooks } from "./exchange-snippet.ts";

const run = promisify(execFile);
const PSQL = `#!${process.execPath}
const { Client } = require(${JSON.stringify(resolve("node_modules/pg"))});
const client = new Client({ connectionString: process.argv[2] });
client.connect().then(() => client.query(process.argv[4])).then(({ rows }) => console.log(rows[0].count)).finally(() => client.end());
`;

const shown = parse(read("test/docs/exchange.yaml")) as { entries: object[]; exchanges: Record<string, unknown>[] };

test("the guide to secrets of other systems: its configuration is taken", () => {
  const exchanges = exchangesSection.parse(shown.exchanges).map(exchangeOf);
  expect(exchanges.map(({ name, kind }) => `${name} ${kind}`)).toEqual(["bao openbao", "books postgres"]);
  const { entries, problems } = acceptEntries(
    shown.entries.map((entry) => entrySchema.parse(entry)),
    1,
  );
  expect(problems).toEqual([]);
  const traded = entries.flatMap((entry) => (entry.kind === "agent" ? entry.exchangeAudiences : []));
  expect(traded).toEqual(exchanges.map(({ audience }) => audience));
});

describe.skipIf(pythonIsMissing() !== undefined)("the guide to secrets of other systems", () => {
  let postgres: Postgres;
  let daemon: Daemon;
  let environment: NodeJS.ProcessEnv;

  beforeAll(async () => {
    postgres = await startPostgres((await postgresPrograms())["18"]);
    await postgres.query(`
      CREATE ROLE readers; CREATE ROLE stint LOGIN CREATEROLE PASSWORD 'secret'; CREATE TABLE books (title text);
      GRANT readers TO stint WITH ADMIN OPTION; GRANT SELECT ON books TO readers; INSERT INTO books VALUES ('Owls'), ('Larks')`);
    const selectors = [`unix:uid:${process.getuid?.()}`];
    daemon = await startDaemon({
      entries: [
        ...shown.entries.map((entry) => ({ ...entry, selectors })),
        { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
        { kind: "operator", name: "alice", selectors, role: "admin" },
      ],
      config: (directory) => {
        const passwordFile = join(directory, "books-password");
        writeFileSync(passwordFile, "secret\n", { mode: 0o600 });
        const books = shown.exchanges.find(({ name }) => name === "books");
        const here = { host: "127.0.0.1", port: postgres.port, plain_on_loopback: true, password_file: passwordFile };
        return { exchanges: [{ ...books, ...here, database: "postgres" }] };
      },
    });
    const programs = join(daemon.directory, "programs");
    await run("mkdir", [programs]);
    writeFileSync(join(programs, "psql"), PSQL);
    chmodSync(join(programs, "psql"), 0o755);
    environment = {
      ...process.env,
      PATH: [
        programs,
        resolve(import.meta.dirname, "../../scripts"),
        dirname(process.execPath),
        process.env["PATH"],
      ].join(delimiter),
      SPIFFE_ENDPOINT_SOCKET: `unix://${daemon.workloadSocket}`,
      STINT_OPERATOR_SOCKET: daemon.operatorSocket,
    };
  }, INSTALL_MS_MAX);
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await postgres?.close();
  });

  const rolesOfSteps = () => postgres.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'stint\\_%'");
  const shell = (region: string) =>
    run("bash", ["-euo", "pipefail", "-c", sourceText(`test/docs/exchange.sh#${region}`)], { env: environment });

  test("a shell gets a role and is rid of it; what became of it is told", async () => {
    expect((await shell("use")).stdout).toContain("2");
    expect((await shell("look")).stdout).toContain("books");
    expect(await rolesOfSteps()).toEqual([]);
  });

  test("a program gets a role for as long as its function runs", async () => {
    process.env["SPIFFE_ENDPOINT_SOCKET"] = `unix://${daemon.workloadSocket}`;
    const counted = await countBooks(async (url) => {
      const client = new Client({ connectionString: url });
      await client.connect();
      const { rows } = await client.query<{ count: string }>("SELECT count(*) FROM books");
      await client.end();
      return Number(rows[0]?.count);
    });
    expect(counted).toBe(2);
  });
});
