import { expect, test } from "vitest";
import { present } from "../../contract/ledger-world.ts";
import { introspectionScene, post } from "./introspection-scene.ts";

const REVOKE = { path: "/revoke" };

async function setting() {
  const scene = await introspectionScene();
  const admin = await scene.clientOf(await scene.operator("admin"));
  const verifier = await scene.clientOf(await scene.verifier());
  const step = await scene.world.open(await scene.world.agent());
  const isActive = async (token: string) => JSON.parse((await post(scene, verifier, token)).body).active as boolean;
  return { scene, admin, verifier, step, isActive };
}

test("an operator takes back a token that was come by, in force once it is answered; its step and its other tokens stay", async () => {
  const { scene, admin, step, isActive } = await setting();
  const [leaked, kept] = [await scene.mint(step), await scene.mint(step)];
  expect(await post(scene, admin, leaked, REVOKE)).toMatchObject({ status: 200, body: "" });
  expect([await isActive(leaked), await isActive(kept)]).toEqual([false, true]);
  expect((await scene.world.step(step.stepId)).state).toBe("OPEN");
  expect((await post(scene, admin, leaked, REVOKE)).status).toBe(200);
  expect(scene.failures).toEqual([]);
});

test("what is no token of this broker's is answered in the same way, and changes nothing", async () => {
  const { scene, admin, step } = await setting();
  const token = await scene.mint(step);
  const { jti } = JSON.parse(Buffer.from(present(token.split(".")[1]), "base64url").toString());
  const forged = [
    token.split(".")[0],
    Buffer.from(JSON.stringify({ jti })).toString("base64url"),
    token.split(".")[2],
  ].join(".");
  const { sequence } = scene.world.ledger.head();
  for (const text of ["x", "a.b.c", forged, await scene.mint(step, { unrecorded: true })]) {
    expect(await post(scene, admin, text, REVOKE)).toMatchObject({ status: 200, body: "" });
  }
  expect(scene.world.ledger.head().sequence).toBe(sequence);
});

test("nobody but an operator who may revoke does: no verifier, no viewer, nobody without a certificate", async () => {
  const { scene, verifier, step, isActive } = await setting();
  const token = await scene.mint(step);
  const viewer = await scene.clientOf(await scene.operator("viewer"));
  expect((await post(scene, verifier, token, REVOKE)).status).toBe(403);
  expect((await post(scene, viewer, token, REVOKE)).status).toBe(403);
  expect((await post(scene, undefined, token, REVOKE)).status).toBe(401);
  expect(await isActive(token)).toBe(true);
});
