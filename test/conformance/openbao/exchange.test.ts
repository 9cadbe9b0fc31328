import { on } from "node:events";
import { existsSync, readdirSync, readFileSync, renameSync, statSync, watch, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ExchangeState, Standing } from "../../../src/gen/stint/v1/types_pb.js";
import { createStint } from "../../../src/sdk/runtime/index.ts";
import { runStint } from "../../cli/running.ts";
import { AUDIENCE, type ExchangeScene, openExchangeScene } from "../../exchange/exchange-scene.ts";
import { openTcpGate, type TcpGate } from "../../exchange/tcp-gate.ts";
import { freePort } from "../../free-port.ts";
import { postgresPrograms, startPostgres } from "../../postgres/server.ts";
import { INSTALL_MS_MAX } from "../locked-packages.ts";
import { pythonIsMissing } from "../python/python-environment.ts";
import { type OpenBao, startOpenBao } from "./openbao-server.ts";

describe.skipIf(pythonIsMissing() !== undefined)("a step's secret of OpenBao", () => {
  let bao: OpenBao;
  let gate: TcpGate;
  let scene: ExchangeScene;

  beforeAll(async () => {
    bao = await startOpenBao();
    gate = await openTcpGate(Number(new URL(bao.address).port));
    const port = await freePort();
    const issuer = `http://127.0.0.1:${port}`;
    scene = await openExchangeScene((directory) => {
      const tokenFile = join(directory, "bao-token");
      writeFileSync(tokenFile, `${bao.rootToken}\n`, { mode: 0o600 });
      const target = {
        ...{ kind: "openbao", url: `http://127.0.0.1:${gate.port}`, plain_on_loopback: true, audience: AUDIENCE },
        ...{ token_file: tokenFile, role: "steps", agents: ["researcher"] },
      };
      return {
        issuer,
        http: { listen: `127.0.0.1:${port}`, plain_on_loopback: true },
        exchanges: [
          { name: "bao", ...target },
          { name: "bao-github", ...target, path: "secret/data/{agent}", ttl_max: "60s" },
          { name: "bao-database", ...target, path: "database/creds/reader" },
        ],
      };
    });
    await bao.ask("POST", "sys/auth/jwt", { type: "jwt" });
    await bao.ask("POST", "auth/jwt/config", { oidc_discovery_url: issuer, bound_issuer: issuer });
    const paths = ["secret/data/*", "database/creds/reader"];
    const policy = paths.map((path) => `path "${path}" { capabilities = ["read"] }`).join("\n");
    await bao.ask("PUT", "sys/policies/acl/steps", { policy });
    await bao.ask("POST", "auth/jwt/role/steps", {
      ...{ role_type: "jwt", user_claim: "sub", bound_audiences: [AUDIENCE] },
      bound_claims: { client_id: "spiffe://example.org/agent/researcher" },
      ...{ token_policies: ["steps"], token_ttl: "1h" },
    });
    await bao.ask("POST", "secret/data/researcher", { data: { token: "the token of github" } });
  }, INSTALL_MS_MAX);
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]();
    await gate?.close();
    await bao?.close();
  });

  const open: ExchangeScene["open"] = (...of) => scene.open(...of);
  const close: ExchangeScene["close"] = (stepId) => scene.close(stepId);
  const exchange = (stepId: string, target = "bao", requestId?: string) => scene.exchange(stepId, target, requestId);
  /** The life that is left of a token, in seconds; `undefined` of one that is none any more. */
  async function lifeOf(token: string): Promise<number | undefined> {
    const headers = { "x-vault-token": token };
    const answer = await fetch(`${bao.address}/v1/auth/token/lookup-self`, { headers });
    if (answer.status === 403) return undefined;
    return ((await answer.json()) as { data: { ttl: number } }).data.ttl;
  }

  const accessors = async (): Promise<readonly string[]> =>
    ((await bao.ask("LIST", "auth/token/accessors")) as { data: { keys: string[] } }).data.keys;

  test("is a token of no longer life than the step's, and ends with the step", async () => {
    const { stepId, expiresAtSeconds } = await open();
    const given = await exchange(stepId);
    expect(given).toMatchObject({ target: "bao", kind: "openbao", endsWithStep: true });
    const token = given.secret["token"] ?? "";
    const left = expiresAtSeconds - Date.now() / 1_000;
    expect(await lifeOf(token)).toBeLessThanOrEqual(Math.ceil(left));
    expect(Number(given.expiresAt?.seconds)).toBeLessThanOrEqual(expiresAtSeconds);
    const closed = await close(stepId);
    expect(closed.stillAlive).toEqual([]);
    expect(await lifeOf(token)).toBeUndefined();
    const exchanges = await scene.exchangesOf(stepId);
    expect(exchanges).toMatchObject([{ state: ExchangeState.ENDED, endable: true, kind: "openbao" }]);
  });

  test("is what is read with that token, where the target has a path", async () => {
    const { stepId } = await open();
    const given = await exchange(stepId, "bao-github");
    expect(given.secret).toEqual({ token: "the token of github" });
    // The target's ttl_max.
    expect(Number(given.expiresAt?.seconds)).toBeLessThanOrEqual(Date.now() / 1_000 + 60);
    await close(stepId);
  });

  test(
    "is a lease, which ends with the token that it was read with",
    async () => {
      const postgres = await startPostgres((await postgresPrograms())["18"]);
      try {
        const { user, password } = postgres.superuser;
        const connection_url = `postgresql://{{username}}:{{password}}@127.0.0.1:${postgres.port}/postgres?sslmode=disable`;
        await bao.ask("POST", "sys/mounts/database", { type: "database" });
        await bao.ask("POST", "database/config/books", {
          ...{ plugin_name: "postgresql-database-plugin", allowed_roles: "reader", connection_url },
          ...{ username: user, password },
        });
        const creation_statements = `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`;
        await bao.ask("POST", "database/roles/reader", { db_name: "books", creation_statements, default_ttl: "1h" });
        const { stepId } = await open();
        const { secret } = await exchange(stepId, "bao-database");
        const roles = () => postgres.query(`SELECT 1 FROM pg_roles WHERE rolname = '${secret["username"]}'`);
        expect(await roles()).toHaveLength(1);
        expect((await close(stepId)).stillAlive).toEqual([]);
        await expect.poll(roles, { timeout: 20_000 }).toEqual([]);
      } finally {
        await postgres.close();
      }
    },
    INSTALL_MS_MAX,
  );

  test("is each step's own: the end of one leaves the other alone", async () => {
    const [one, other] = [await open(), await open()];
    const [ofOne, ofOther] = [await exchange(one.stepId), await exchange(other.stepId)];
    await close(one.stepId);
    expect(await lifeOf(ofOne.secret["token"] ?? "")).toBeUndefined();
    expect(await lifeOf(ofOther.secret["token"] ?? "")).toBeGreaterThan(0);
    await close(other.stepId);
    expect(await lifeOf(ofOther.secret["token"] ?? "")).toBeUndefined();
  });

  test("ends with the step that its step was delegated from", async () => {
    const parent = await open();
    const child = await open("researcher", [AUDIENCE], {
      runId: parent.runId,
      step: "below",
      parentStepId: parent.stepId,
    });
    const given = await exchange(child.stepId);
    const closed = await close(parent.stepId);
    expect(closed).toMatchObject({ descendantsClosed: 1, stillAlive: [] });
    expect(await lifeOf(given.secret["token"] ?? "")).toBeUndefined();
  });

  test("is shown to an operator before a revocation, and ended by it", async () => {
    const { stepId } = await open();
    const given = await exchange(stepId);
    const target = { case: "stepId", value: stepId } as const;
    const dry = await scene.operator().revocations.revoke({ target, dryRun: true });
    expect(dry.exchanges).toMatchObject([{ exchangeId: given.exchangeId, state: ExchangeState.ISSUED }]);
    await scene.operator().revocations.revoke({ target });
    await scene.inState(stepId, ExchangeState.ENDED);
    expect(await lifeOf(given.secret["token"] ?? "")).toBeUndefined();
  });

  test.for([
    { what: "a target that nobody configured", target: "vault", reason: "INVALID_FIELD" },
    { what: "a step that was not opened for its audience", audiences: [], reason: "AUDIENCE_INVALID" },
    { what: "an agent whose entry trades no tokens for it", agent: "identified", reason: "NOT_ENTITLED" },
    { what: "an agent that the target does not name", agent: "other", reason: "NOT_ENTITLED" },
    { what: "a request without an id", requestId: "", reason: "INVALID_FIELD" },
  ])("is refused for $what", async ({ target, audiences, agent, reason, requestId }) => {
    const { stepId } = await open(agent, audiences);
    const asked = exchange(stepId, target, requestId);
    await expect(asked).rejects.toMatchObject({ info: { reason } });
    const exchanges = await scene.exchangesOf(stepId);
    expect(exchanges).toEqual([]);
  });

  test("is refused for a step that is closed", async () => {
    const { stepId } = await open();
    await scene.runtime().steps.close({ stepId, outcome: 1 });
    await expect(exchange(stepId)).rejects.toMatchObject({ info: { reason: "STEP_CLOSED" } });
  });

  test("is given once for a request", async () => {
    const { stepId } = await open();
    await exchange(stepId, "bao", "the same");
    await expect(exchange(stepId, "bao", "the same")).rejects.toMatchObject({ info: { reason: "REQUEST_ID_REUSED" } });
    const exchanges = await scene.exchangesOf(stepId);
    expect(exchanges).toHaveLength(1);
    await close(stepId);
  });

  test("is ended as soon as the other side is back, and until then the close says what is alive, and where", async () => {
    const { stepId } = await open();
    const given = await exchange(stepId);
    gate.set("down");
    const closed = await scene.runtime().steps.close({ stepId, outcome: 1 });
    expect(closed.stillAlive).toMatchObject([
      { exchangeId: given.exchangeId, target: "bao", standing: Standing.ENDING, expiresAt: given.expiresAt },
    ]);
    const shown = await scene.runtime().steps.get({ by: { case: "stepId", value: stepId } });
    expect(shown.exchanges).toMatchObject([{ exchangeId: given.exchangeId, standing: Standing.ENDING }]);
    expect(await lifeOf(given.secret["token"] ?? "")).toBeGreaterThan(0);
    gate.set("through");
    await scene.inState(stepId, ExchangeState.ENDED);
    expect(await lifeOf(given.secret["token"] ?? "")).toBeUndefined();
  });

  test("is ended by a broker that was killed between the close and the end", async () => {
    const { stepId } = await open();
    const given = await exchange(stepId);
    gate.set("down");
    await scene.runtime().steps.close({ stepId, outcome: 1 });
    await scene.daemon().kill();
    gate.set("through");
    await scene.restart();
    await scene.inState(stepId, ExchangeState.ENDED);
    expect(await lifeOf(given.secret["token"] ?? "")).toBeUndefined();
  });

  test("is found and ended by a broker that was killed before it had the answer; what others hold is left alone", async () => {
    const { stepId } = await open();
    const held = await exchange(stepId);
    const before = await accessors();
    gate.set("holding");
    const asked = exchange(stepId).catch(() => undefined);
    await gate.held();
    expect(await accessors()).toHaveLength(before.length + 1);
    await scene.daemon().kill();
    await asked;
    gate.set("through");
    await scene.restart();
    await scene.inState(stepId, ExchangeState.ENDED);
    expect(await accessors()).toEqual(before);
    expect(await lifeOf(held.secret["token"] ?? "")).toBeGreaterThan(0);
  });

  test("is given to nobody where its step ended meanwhile, and ended", async () => {
    const { stepId } = await open();
    const before = await accessors();
    gate.set("holding");
    const asked = exchange(stepId).catch((error: unknown) => error);
    await gate.held();
    await scene.runtime().steps.close({ stepId, outcome: 1 });
    gate.set("through");
    expect(await asked).toMatchObject({ info: { reason: "STEP_CLOSED" } });
    await scene.inState(stepId, ExchangeState.ENDED);
    expect(await accessors()).toEqual(before);
  });

  test("is given to nobody where what ends it can't be kept, and ended at once", async () => {
    const { stepId } = await open();
    const before = await accessors();
    const kept = join(scene.daemon().directory, "data", "exchanges");
    renameSync(kept, `${kept}-away`);
    await expect(exchange(stepId)).rejects.toMatchObject({ info: { reason: "NOT_SERVING" } });
    expect(await accessors()).toEqual(before);
    renameSync(`${kept}-away`, kept);
    await close(stepId);
  });

  test("comes to a program by the SDK and by the command line, and a file of it is its user's alone", async () => {
    const { stepId } = await open();
    using stint = createStint({ endpoint: scene.daemon().workloadSocket });
    const step = await stint.resumeStep({ stepId });
    const given = await step.exchange("bao-github");
    expect(given.secret()).toEqual({ token: "the token of github" });
    const own = ["--socket", `unix://${scene.daemon().workloadSocket}`, "exchange", "bao-github", "--step-id", stepId];
    expect(await runStint(own)).toEqual({ status: 0, out: "BAO_GITHUB_TOKEN='the token of github'\n", err: "" });
    const out = join(scene.daemon().directory, "secret.json");
    expect(await runStint([...own, "--format", "json", "--out", out])).toMatchObject({ status: 0, out: "" });
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const written = JSON.parse(readFileSync(out, "utf8")) as object;
    expect(written).toMatchObject({
      target: "bao-github",
      secret: { token: "the token of github" },
      ends_with_step: true,
    });
    const listed = await runStint([
      "--operator-socket",
      scene.daemon().operatorSocket,
      "history",
      "exchanges",
      "--alive",
    ]);
    expect(listed.out).toContain("bao-github");
    const result = await step.close("COMPLETED", { awaitReceiptsSeconds: 10 });
    expect(result.stillAlive).toEqual([]);
  });

  test("leaves nothing of itself in messages, logs and files", async () => {
    const { stepId } = await open();
    const given = await exchange(stepId);
    const token = given.secret["token"] ?? "";
    const { data } = (await bao.ask("POST", "auth/token/lookup", { token })) as { data: { accessor: string } };
    const { events } = await scene.operator().history.listEvents({ filter: { stepId } });
    const said = `${scene.daemon().stderr()}${events.map(({ canonical }) => Buffer.from(canonical).toString()).join("\n")}`;
    expect(said).toContain(given.exchangeId);
    const files = readdirSync(scene.daemon().directory, { recursive: true, withFileTypes: true });
    const kept = files.filter((file) => file.isFile()).map((file) => readFileSync(join(file.parentPath, file.name)));
    for (const secret of [token, data.accessor]) {
      expect(said).not.toContain(secret);
      expect(kept.some((content) => content.includes(secret))).toBe(false);
    }
    const sealed = join(scene.daemon().directory, "data", "exchanges", `${given.exchangeId}.sealed`);
    expect(statSync(sealed).mode & 0o777).toBe(0o600);
    await close(stepId);
    await removed(sealed);
  });
});

/** Resolves once there is no such file. */
async function removed(path: string): Promise<void> {
  const watcher = watch(dirname(path));
  try {
    const changes = on(watcher, "change");
    while (existsSync(path)) await changes.next();
  } finally {
    watcher.close();
  }
}
