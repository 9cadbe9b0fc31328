import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRemoteJWKSet } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ExchangeState, Standing } from "../../src/gen/stint/v1/types_pb.js";
import { type AuthorizationServer, CLIENT, startAuthorizationServer } from "./authorization-server.ts";
import { tokenCheck } from "./cloud-stand-ins.ts";
import { AUDIENCE, type ExchangeScene, openExchangeScene } from "./exchange-scene.ts";
import { openTcpGate, type TcpGate } from "./tcp-gate.ts";

describe.for(["token-exchange", "jwt-bearer"] as const)("a step's token of an authorization server, by %s", (kind) => {
  let server: AuthorizationServer;
  let gate: TcpGate;
  let scene: ExchangeScene;

  beforeAll(async () => {
    server = await startAuthorizationServer(AUDIENCE);
    gate = await openTcpGate(Number(new URL(server.url).port));
    const url = `http://127.0.0.1:${gate.port}`;
    scene = await openExchangeScene((directory) => {
      const secretFile = join(directory, "client-secret");
      writeFileSync(secretFile, `${CLIENT.secret}\n`, { mode: 0o600 });
      const target = {
        ...{ kind, audience: AUDIENCE, plain_on_loopback: true, token_url: `${url}/token`, scope: "read" },
        ...{ client_id: CLIENT.id, client_secret_file: secretFile },
      };
      return {
        exchanges: [
          { name: "server", ...target, revocation_url: `${url}/token/revocation` },
          { name: "server-without-end", ...target },
        ],
      };
    });
    const keys = createRemoteJWKSet(new URL(`${scene.daemon().httpUrl}/jwks.json`));
    server.trust(tokenCheck("https://broker.example.org", () => keys));
  });
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]();
    await gate?.close();
    await server?.close();
  });

  test("is good at that server, and revoked with the step", async () => {
    const { stepId } = await scene.open();
    const given = await scene.exchange(stepId, "server");
    expect(given).toMatchObject({ kind, endsWithStep: true });
    const token = given.secret["token"] ?? "";
    expect(await server.lifeOf(token)).toBeGreaterThan(100);
    expect((await scene.close(stepId)).stillAlive).toEqual([]);
    expect(await server.lifeOf(token)).toBeUndefined();
  });

  test("may live longer there than the step, since it is revoked; who has it is told the step's end", async () => {
    const { stepId, expiresAtSeconds } = await scene.open("researcher", [AUDIENCE], in30Seconds());
    const given = await scene.exchange(stepId, "server");
    expect(Number(given.expiresAt?.seconds)).toBe(expiresAtSeconds);
    gate.set("down");
    const [alive] = (await scene.runtime().steps.close({ stepId, outcome: 1 })).stillAlive;
    expect(alive).toMatchObject({ standing: Standing.ENDING });
    expect(Number(alive?.expiresAt?.seconds)).toBeGreaterThan(expiresAtSeconds);
    gate.set("through");
    await scene.inState(stepId, ExchangeState.ENDED);
    expect(await server.lifeOf(given.secret["token"] ?? "")).toBeUndefined();
  });

  test("that nobody can revoke is given while it ends with the step, and refused where it would outlive it", async () => {
    const [long, short] = [await scene.open(), await scene.open("researcher", [AUDIENCE], in30Seconds())];
    expect(await scene.exchange(long.stepId, "server-without-end")).toMatchObject({ endsWithStep: false });
    await expect(scene.exchange(short.stepId, "server-without-end")).rejects.toMatchObject({
      message: "server-without-end gives a token that outlives the step, and has no revocation_url",
    });
    // It is there all the same, in nobody's hands: what is on record says until when.
    const [found] = await scene.exchangesOf(short.stepId);
    expect(found).toMatchObject({ state: ExchangeState.UNKNOWN, endable: false });
    expect(Number(found?.expiresAt?.seconds)).toBeGreaterThan(short.expiresAtSeconds);
    for (const { stepId } of [long, short]) {
      expect((await scene.close(stepId)).stillAlive).toMatchObject([{ standing: Standing.LAPSING }]);
    }
  });

  test("is refused where the server does not believe the broker", async () => {
    const { stepId } = await scene.open("researcher", ["https://elsewhere.example"]);
    server.trust(async () => {
      throw new TypeError("believed no more");
    });
    const asked = scene.exchange(stepId, "server");
    await expect(asked).rejects.toMatchObject({ message: "server answered 400", info: { reason: "NOT_ENTITLED" } });
    expect(await scene.exchangesOf(stepId)).toMatchObject([{ state: ExchangeState.FAILED }]);
  });
});

function in30Seconds() {
  return { expiresAt: { seconds: BigInt(Math.floor(Date.now() / 1_000) + 30) } };
}
