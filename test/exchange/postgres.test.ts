import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { postgresTarget } from "../../src/adapters/exchange-postgres/postgres.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { parseSpiffeId } from "../../src/domain/spiffe-id.ts";
import { addSeconds, type UnixSeconds } from "../../src/domain/time.ts";
import { ExchangeState, Standing } from "../../src/gen/stint/v1/types_pb.js";
import { INSTALL_MS_MAX } from "../conformance/locked-packages.ts";
import { pythonIsMissing } from "../conformance/python/python-environment.ts";
import { type Postgres, postgresPrograms, startPostgres } from "../postgres/server.ts";
import { AUDIENCE, type ExchangeScene, openExchangeScene } from "./exchange-scene.ts";
import { localhostCertificate } from "./loopback-https.ts";
import { postgresTlsGate, type TlsGate } from "./postgres-tls-gate.ts";
import { openTcpGate, type TcpGate } from "./tcp-gate.ts";

/** Names as a database may have them: whoever quotes them wrongly has a syntax error, or another role. */
const READERS = `rea"ders of researcher`;
const BROKER = `bro"ker`;

describe.skipIf(pythonIsMissing() !== undefined).for(["16", "18"] as const)(
  "a step's role in PostgreSQL %s",
  (version) => {
    let postgres: Postgres;
    let gate: TcpGate;
    let scene: ExchangeScene;

    beforeAll(async () => {
      postgres = await startPostgres((await postgresPrograms())[version]);
      gate = await openTcpGate(postgres.port);
      await postgres.query(`
      CREATE ROLE "rea""ders of researcher";
      CREATE ROLE "bro""ker" LOGIN CREATEROLE PASSWORD 'it''s the broker''s';
      GRANT "rea""ders of researcher" TO "bro""ker" WITH ADMIN OPTION;
      CREATE TABLE books (title text);
      INSERT INTO books VALUES ('Owls');
      GRANT SELECT ON books TO "rea""ders of researcher";
      GRANT CREATE ON SCHEMA public TO "rea""ders of researcher"`);
      scene = await openExchangeScene((directory) => {
        const passwordFile = join(directory, "pg-password");
        writeFileSync(passwordFile, "it's the broker's\n", { mode: 0o600 });
        const target = {
          ...{ name: "books", kind: "postgres", audience: AUDIENCE, host: "127.0.0.1", port: gate.port },
          ...{ plain_on_loopback: true, database: "postgres", user: BROKER, password_file: passwordFile },
          role: `rea"ders of {agent}`,
        };
        return { exchanges: [target] };
      });
    }, INSTALL_MS_MAX);
    afterAll(async () => {
      await scene?.[Symbol.asyncDispose]();
      await gate?.close();
      await postgres?.close();
    });

    const exchange = (stepId: string) => scene.exchange(stepId, "books");
    const rolesOfSteps = () => postgres.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'stint%' ORDER BY 1");
    /** A connection with the secret, as whoever was given it connects. */
    async function connected(secret: Readonly<Record<string, string>>): Promise<Client> {
      const client = new Client({ connectionString: secret["url"] ?? "" });
      client.on("error", () => undefined);
      await client.connect();
      return client;
    }

    test("has the rights of the role that is configured, and no more, and no longer life than the step", async () => {
      const { stepId, expiresAtSeconds } = await scene.open();
      const { secret, expiresAt, endsWithStep } = await exchange(stepId);
      expect(endsWithStep).toBe(true);
      expect(Number(expiresAt?.seconds)).toBeLessThanOrEqual(expiresAtSeconds);
      const client = await connected(secret);
      expect((await client.query("SELECT title FROM books")).rows).toEqual([{ title: "Owls" }]);
      await expect(client.query("INSERT INTO books VALUES ('Larks')")).rejects.toMatchObject({ code: "42501" });
      await client.end();
      const [role] = await postgres.query(`SELECT extract(epoch FROM rolvaliduntil)::int AS until, rolconnlimit
                                           FROM pg_roles WHERE rolname = '${secret["username"]}'`);
      expect(role).toEqual({ until: Number(expiresAt?.seconds), rolconnlimit: 10 });
      await scene.close(stepId);
    });

    test("is dropped with the step, its sessions are ended, and what it owned goes to the role it had the rights of", async () => {
      const { stepId } = await scene.open();
      const { secret } = await exchange(stepId);
      const client = await connected(secret);
      await client.query("CREATE TABLE notes (text text)");
      const ended = new Promise((resolve) => void client.once("end", () => resolve(undefined)));
      expect((await scene.close(stepId)).stillAlive).toEqual([]);
      await ended;
      await expect(connected(secret)).rejects.toMatchObject({ code: "28P01" });
      expect(await rolesOfSteps()).toEqual([]);
      expect(await postgres.query("SELECT tableowner FROM pg_tables WHERE tablename = 'notes'")).toEqual([
        { tableowner: READERS },
      ]);
      await postgres.query("DROP TABLE notes");
      expect(await scene.exchangesOf(stepId)).toMatchObject([
        { state: ExchangeState.ENDED, reference: `role ${secret["username"]}` },
      ]);
    });

    test("is each step's own: the end of one leaves the other alone", async () => {
      const [one, other] = [await scene.open(), await scene.open()];
      const [ofOne, ofOther] = [await exchange(one.stepId), await exchange(other.stepId)];
      const session = await connected(ofOther.secret);
      await scene.close(one.stepId);
      expect(await rolesOfSteps()).toEqual([{ rolname: ofOther.secret["username"] }]);
      expect(ofOne.secret["username"]).not.toBe(ofOther.secret["username"]);
      expect((await session.query("SELECT title FROM books")).rowCount).toBe(1);
      await session.end();
      await scene.close(other.stepId);
      expect(await rolesOfSteps()).toEqual([]);
    });

    test("is refused where the database refuses, and nothing is left of it", async () => {
      // Of `other` there is no role whose rights it could have.
      const { stepId } = await scene.open("other");
      await expect(exchange(stepId)).rejects.toMatchObject({
        info: { reason: "NOT_ENTITLED" },
        message: "books answered SQLSTATE 42704",
      });
      expect(await scene.exchangesOf(stepId)).toMatchObject([{ state: ExchangeState.FAILED }]);
      expect(await rolesOfSteps()).toEqual([]);
    });

    test("is dropped as soon as the database is back, and until then the close says what is alive", async () => {
      const { stepId } = await scene.open();
      const { secret } = await exchange(stepId);
      gate.set("down");
      const closed = await scene.runtime().steps.close({ stepId, outcome: 1 });
      expect(closed.stillAlive).toMatchObject([{ target: "books", standing: Standing.ENDING }]);
      expect(await rolesOfSteps()).toEqual([{ rolname: secret["username"] }]);
      gate.set("through");
      await scene.inState(stepId, ExchangeState.ENDED);
      expect(await rolesOfSteps()).toEqual([]);
    });

    test("is dropped by a broker that was killed before it had the answer, though the step goes on", async () => {
      const { stepId } = await scene.open();
      gate.set("holding", "CREATE ROLE");
      const asked = exchange(stepId).catch(() => undefined);
      await gate.held();
      expect(await rolesOfSteps()).toHaveLength(1);
      await scene.daemon().kill();
      await asked;
      gate.set("through");
      await scene.restart();
      await scene.inState(stepId, ExchangeState.ENDED);
      expect(await rolesOfSteps()).toEqual([]);
    });

    test("leaves no password in messages, files and the database's own log", async () => {
      const { stepId } = await scene.open();
      const { secret } = await exchange(stepId);
      const password = secret["password"] ?? "";
      const { directory, stderr } = scene.daemon();
      const kept = globSync(join(directory, "data/**/*"), { withFileTypes: true }).filter((file) => file.isFile());
      const contents = kept.map((file) => readFileSync(join(file.parentPath, file.name), "latin1"));
      const said = [stderr(), postgres.log(), ...contents];
      expect(said.join("\n")).toContain(secret["username"]);
      for (const text of said)
        for (const one of [password, "it's the broker's"]) expect(text.includes(one)).toBe(false);
      await scene.close(stepId);
    });
  },
);

describe.skipIf(pythonIsMissing() !== undefined)("PostgreSQL over TLS", () => {
  const [own, other] = [localhostCertificate(), localhostCertificate()];
  let postgres: Postgres;
  let tls: TlsGate;
  beforeAll(async () => {
    postgres = await startPostgres((await postgresPrograms())["18"]);
    tls = await postgresTlsGate(postgres.port, own);
    await postgres.query("CREATE ROLE readers");
  }, INSTALL_MS_MAX);
  afterAll(async () => {
    tls?.close();
    await postgres?.close();
  });

  const issue = (host: string, ca: string, port = tls.port) => {
    const { user, password } = postgres.superuser;
    const target = postgresTarget({
      ...{ host, port, database: "postgres", user, password: () => password, role: "readers" },
      ...{ connectionsMax: 1, tls: { ca: () => ca }, randomness: systemRandomness() },
    });
    const now = Math.floor(Date.now() / 1_000) as UnixSeconds;
    return target.issue({
      ...{ exchangeId: "xch_01900000-0000-7000-8000-000000000000", token: "", now, expiresAt: addSeconds(now, 60) },
      spiffeId: parseSpiffeId("spiffe://example.org/agent/a/run/r/step/s/1"),
      names: { agent: "a", run_id: "r", step: "s" },
    });
  };

  test("is sent no password where another CA vouches for it, it is another host, or speaks no TLS", async () => {
    const nothing = { kind: "unavailable", message: "can't be reached", mayExist: false };
    await expect(issue("localhost", other.ca)).rejects.toMatchObject(nothing);
    await expect(issue("127.0.0.1", own.ca)).rejects.toMatchObject(nothing);
    // It speaks no TLS.
    await expect(issue("127.0.0.1", own.ca, postgres.port)).rejects.toMatchObject(nothing);
    expect(postgres.log()).not.toContain('CREATE ROLE "stint_');
  });

  test("makes a role, whose URL asks for TLS too", async () => {
    const { secret } = await issue("localhost", own.ca);
    expect(secret["url"]).toMatch(/\?sslmode=verify-full$/);
    expect(postgres.log()).toContain(`CREATE ROLE "${secret["username"]}"`);
  });
});
