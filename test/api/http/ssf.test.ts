import { expect, test } from "vitest";
import { present } from "../../contract/ledger-world.ts";
import { ask } from "./http-peers.ts";
import { type Client, ISSUER, introspectionScene, post } from "./introspection-scene.ts";

const POLL = "urn:ietf:rfc:8936";

async function setting() {
  const scene = await introspectionScene();
  const verifier = await scene.verifier();
  const client = await scene.clientOf(verifier);
  const send = (method: string, path: string, body?: object, by: Client | undefined = client) =>
    post(scene, by, "", {
      path,
      method,
      headers: body === undefined ? { "content-length": "0" } : { "content-type": "application/json" },
      body: body === undefined ? "" : JSON.stringify(body),
    });
  return { scene, verifier, client, send };
}

const read = (body: string): Record<string, unknown> => JSON.parse(body);

test("the configuration says where everything is, and names nothing that is not there", async () => {
  const { scene } = await setting();
  const { status, body } = await ask(`${scene.plainUrl}/.well-known/ssf-configuration`);
  expect(status).toBe(200);
  expect(read(body)).toEqual({
    spec_version: "1_0",
    issuer: ISSUER,
    jwks_uri: `${ISSUER}/keys/events.json`,
    delivery_methods_supported: ["urn:ietf:rfc:8935", POLL],
    configuration_endpoint: `${ISSUER}/ssf/stream`,
    status_endpoint: `${ISSUER}/ssf/status`,
    verification_endpoint: `${ISSUER}/ssf/verify`,
    authorization_schemes: [{ spec_urn: "urn:ietf:rfc:8705" }],
    default_subjects: "ALL",
  });
});

test("a receiver makes a stream, polls what ended, acknowledges it, and is sent it no more", async () => {
  const { scene, verifier, send } = await setting();
  const made = await send("POST", "/ssf/stream", { delivery: { method: POLL }, description: "SIEM" });
  expect(made.status).toBe(201);
  const stream = read(made.body);
  expect(stream).toEqual({
    stream_id: expect.stringMatching(/^[\w-]{16}$/),
    iss: ISSUER,
    aud: verifier.spiffeId,
    audiences: "audiences" in verifier.content && verifier.content.audiences,
    delivery: { method: POLL, endpoint_url: `${ISSUER}/ssf/poll` },
    events_supported: [
      "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
      "https://schemas.openid.net/secevent/caep/event-type/credential-change",
    ],
    events_delivered: stream["events_supported"],
    min_verification_interval: 60,
    description: "SIEM",
  });
  const step = await scene.world.open(await scene.world.agent());
  await scene.mint(step);
  await scene.world.close(step);
  const polled = read((await send("POST", "/ssf/poll", { returnImmediately: true })).body);
  const [[jti, token] = ["", ""]] = Object.entries(polled["sets"] as Record<string, string>);
  const key = present(scene.signer.held("events")[0]);
  expect(token.split(".")[0]).toBe(
    Buffer.from(JSON.stringify({ alg: "ES256", kid: key, typ: "secevent+jwt" })).toString("base64url"),
  );
  expect(JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())).toMatchObject({
    ...{ jti, aud: verifier.spiffeId },
    sub_id: { format: "complex", session: { format: "opaque", id: step.stepId } },
  });
  const again = await send("POST", "/ssf/poll", { returnImmediately: true, ack: [jti] });
  expect(read(again.body)).toEqual({ sets: {} });
  expect(scene.failures).toEqual([]);
});

test("a stream is read, changed, replaced, paused, verified and removed, each as SSF says", async () => {
  const { send } = await setting();
  expect(read((await send("GET", "/ssf/stream")).body)).toEqual([]);
  const stream = read((await send("POST", "/ssf/stream", { description: "one" })).body);
  const id = stream["stream_id"];
  const at = `?stream_id=${id}`;
  expect((await send("POST", "/ssf/stream", {})).status).toBe(409);
  expect(read((await send("GET", "/ssf/stream")).body)).toEqual([stream]);
  expect(read((await send("GET", `/ssf/stream${at}`)).body)).toEqual(stream);
  const event = "https://schemas.openid.net/secevent/caep/event-type/credential-change";
  const patched = await send("PATCH", "/ssf/stream", { stream_id: id, events_requested: [event] });
  expect(read(patched.body)).toMatchObject({ description: "one", events_delivered: [event] });
  const put = await send("PUT", "/ssf/stream", { stream_id: id });
  expect(read(put.body)).not.toHaveProperty("description");
  expect(read(put.body)["events_delivered"]).toHaveLength(2);

  expect(read((await send("GET", `/ssf/status${at}`)).body)).toEqual({ stream_id: id, status: "enabled" });
  const paused = { stream_id: id, status: "paused", reason: "maintenance" };
  expect(read((await send("POST", "/ssf/status", paused)).body)).toEqual(paused);
  expect(read((await send("GET", `/ssf/status${at}`)).body)).toEqual(paused);
  expect((await send("POST", "/ssf/status", { stream_id: id, status: "on" })).status).toBe(400);

  expect((await send("POST", "/ssf/verify", { stream_id: id, state: "x" })).status).toBe(204);
  expect((await send("POST", "/ssf/verify", { stream_id: id, state: "x" })).status).toBe(429);
  expect((await send("DELETE", `/ssf/stream${at}`)).status).toBe(204);
  expect((await send("GET", `/ssf/stream${at}`)).status).toBe(404);
  expect((await send("POST", "/ssf/poll", {})).status).toBe(404);
});

test("another receiver's stream is not found, and nobody but a verifier has one", async () => {
  const { scene, send } = await setting();
  const { stream_id: id } = read((await send("POST", "/ssf/stream", {})).body);
  const other = await scene.clientOf(await scene.verifier());
  expect((await send("GET", `/ssf/stream?stream_id=${id}`, undefined, other)).status).toBe(404);
  expect((await send("DELETE", `/ssf/stream?stream_id=${id}`, undefined, other)).status).toBe(404);
  expect((await send("PATCH", "/ssf/stream", { stream_id: id }, other)).status).toBe(404);
  const runtime = await scene.clientOf(await scene.runtime());
  expect((await send("POST", "/ssf/stream", {}, runtime)).status).toBe(403);
  const answer = await post(scene, undefined, "", {
    path: "/ssf/stream",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  expect(answer.status).toBe(401);
});

test.for([
  { method: "POST", path: "/ssf/stream", body: { delivery: { method: "urn:ietf:rfc:8935" } } },
  { method: "POST", path: "/ssf/stream", body: { events_requested: "all" } },
  { method: "POST", path: "/ssf/stream", body: { description: 7 } },
])("$method $path with $body is refused, saying why", async ({ method, path, body }) => {
  const { send } = await setting();
  const answer = await send(method, path, body);
  expect(answer.status).toBe(400);
  expect(read(answer.body)).toMatchObject({ err: "invalid_request", description: expect.stringContaining(": ") });
});
