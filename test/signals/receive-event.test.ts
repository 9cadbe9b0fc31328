import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { exportJWK, type JWTPayload, SignJWT } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { createSecurityEvents } from "../../src/adapters/attestor-oidc/security-events.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { isDenial } from "../../src/domain/errors.ts";
import { receiveEvent } from "../../src/signals/receive-event.ts";
import { madeCertificate } from "../api/http/http-peers.ts";
import { worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memoryVault } from "../memory/memory-vault.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { NOW } from "../samples/credentials.ts";

const IDP = "https://id.example.org";
const OTHER_IDP = "https://other-id.example.org";
const AUDIENCE = "https://stint.example.org";
const SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const DISABLED = "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
const PURGED = "https://schemas.openid.net/secevent/risc/event-type/account-purged";
const ALICE = { format: "iss_sub", iss: IDP, sub: "alice" };

const keyPair = () => generateKeyPairSync("ec", { namedCurve: "P-256" });

/** A server that gives out one issuer's keys. */
async function keyServer(publicKey: KeyObject): Promise<{ readonly url: string; readonly roots: string }> {
  const { certificate, privateKey, pem } = madeCertificate();
  const { readFileSync } = await import("node:fs");
  const keys = [{ ...(await exportJWK(publicKey)), kid: "k", alg: "ES256" }];
  const server = createServer({ cert: readFileSync(certificate), key: readFileSync(privateKey) }, (_, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/keys`, roots: pem };
}

async function scene() {
  const clock = virtualClock(NOW);
  const randomness = systemRandomness();
  const store = await openMemoryLedger({ clock, randomness });
  onTestFinished(() => store.close());
  const world = worldOf(store, { clock, randomness });
  const vault = memoryVault(randomness);
  const [own, other] = [keyPair(), keyPair()];
  const [ownKeys, otherKeys] = [await keyServer(own.publicKey), await keyServer(other.publicKey)];
  const issuerOf = (issuer: string, { url, roots }: typeof ownKeys) => ({
    ...{ issuer, jwksUri: url, roots, audience: AUDIENCE },
  });
  const securityEvents = createSecurityEvents([issuerOf(IDP, ownKeys), issuerOf(OTHER_IDP, otherKeys)], clock);
  const ports = { securityEvents, principals: vault, ledger: store.ledger, clock, inForce: async () => undefined };
  const principalId = vault.idOf({ iss: IDP, sub: "alice" });
  let count = 0;

  async function token(
    event: string,
    {
      by = own.privateKey,
      typ = "secevent+jwt",
      ...claims
    }: { readonly by?: KeyObject; readonly typ?: string } & JWTPayload = {},
  ): Promise<string> {
    count += 1;
    return new SignJWT({
      ...{ iss: IDP, aud: AUDIENCE, jti: `set-${count}`, iat: NOW },
      ...{ sub_id: ALICE, events: { [event]: {} } },
      ...claims,
    })
      .setProtectedHeader({ alg: "ES256", kid: "k", typ })
      .sign(by);
  }

  return {
    ...{ clock, world, token, other, principalId },
    receive: (compact: string) => receiveEvent(compact, ports),
    async open(of = principalId) {
      return world.open(await world.agent(), { principal: { principalId: of, sealed: "key.sealed" } });
    },
    async mayOpen() {
      const principal = { principalId, sealed: "key.sealed" };
      const result = await world.ledger.perform(world.openAct(await world.agent(), { principal }));
      return !isDenial(result);
    },
    stateOf: async (stepId: string) => (await world.step(stepId)).state,
    events: async () => store.history.events({ type: "security_event.taken", limit: 100 }),
  };
}

test("a session that was revoked ends what is open for the principal, and bars nothing", async () => {
  const { open, token, receive, stateOf, mayOpen, principalId, events } = await scene();
  const [one, two] = [await open(), await open()];
  const others = await open("cd".repeat(32));
  expect(await receive(await token(SESSION_REVOKED))).toBe(undefined);
  expect([await stateOf(one.stepId), await stateOf(two.stepId)]).toEqual(["REVOKED", "REVOKED"]);
  expect(await stateOf(others.stepId)).toBe("OPEN");
  expect(await mayOpen()).toBe(true);
  const [recorded] = await events();
  const text = Buffer.from(recorded?.canonical ?? []).toString();
  expect(JSON.parse(text).event).toMatchObject({ issuer: IDP, event: SESSION_REVOKED, effect: "end", principalId });
  expect(text).not.toContain("alice");
});

test.for([DISABLED, PURGED])("%s offboards the principal, whom no step need have named", async (event) => {
  const { open, token, receive, stateOf, mayOpen } = await scene();
  const step = await open();
  expect(await receive(await token(event))).toBe(undefined);
  expect(await stateOf(step.stepId)).toBe("REVOKED");
  expect(await mayOpen()).toBe(false);
  const unnamed = await scene();
  expect(await unnamed.receive(await unnamed.token(event))).toBe(undefined);
  expect(await unnamed.mayOpen()).toBe(false);
});

test("the user of a complex subject is meant too", async () => {
  const { open, token, receive, stateOf } = await scene();
  const step = await open();
  const session = { format: "opaque", id: "s" };
  await receive(await token(SESSION_REVOKED, { sub_id: { format: "complex", user: ALICE, session } }));
  expect(await stateOf(step.stepId)).toBe("REVOKED");
});

test("an event that is sent once more ends nothing that was opened since", async () => {
  const { open, token, receive, stateOf, events, clock } = await scene();
  const sent = await token(SESSION_REVOKED, { jti: "one" });
  await receive(sent);
  const step = await open();
  expect(await receive(sent)).toBe(undefined);
  expect(await stateOf(step.stepId)).toBe("OPEN");
  expect(await events()).toHaveLength(1);
  clock.advance((7 * 86_400 - 1) * 1_000);
  const last = await open();
  expect(await receive(sent)).toBe(undefined);
  expect(await stateOf(last.stepId)).toBe("OPEN");
  clock.advance(1_000);
  expect(await receive(sent)).toMatchObject({ err: "invalid_request" });
});

test.for([
  { what: "events that it does not act on", event: "https://example.org/event", claims: {} },
  { what: "subjects by another name", event: SESSION_REVOKED, claims: { sub_id: { format: "email", email: "a@b.c" } } },
])("$what are taken, and change nothing", async ({ event, claims }) => {
  const { open, token, receive, stateOf, events } = await scene();
  const step = await open();
  expect(await receive(await token(event, claims))).toBe(undefined);
  expect(await stateOf(step.stepId)).toBe("OPEN");
  expect(await events()).toEqual([]);
});

test.for<{ readonly what: string; readonly claims: JWTPayload & { readonly typ?: string }; readonly err: string }>([
  { what: "another issuer", claims: { iss: "https://evil.example" }, err: "invalid_issuer" },
  { what: "another audience", claims: { aud: "https://other.example" }, err: "invalid_audience" },
  { what: "another issuer's subject", claims: { sub_id: { ...ALICE, iss: OTHER_IDP } }, err: "invalid_request" },
  { what: "the type of another token", claims: { typ: "JWT" }, err: "invalid_request" },
  { what: "a sub", claims: { sub: "alice" }, err: "invalid_request" },
  { what: "an expiry", claims: { exp: NOW + 60 }, err: "invalid_request" },
  { what: "no jti", claims: { jti: "" }, err: "invalid_request" },
  { what: "an iat ahead", claims: { iat: NOW + 60 }, err: "invalid_request" },
  { what: "an iat of last week", claims: { iat: NOW - 7 * 86_400 }, err: "invalid_request" },
  { what: "two events", claims: { events: { [SESSION_REVOKED]: {}, [DISABLED]: {} } }, err: "invalid_request" },
  { what: "no subject", claims: { sub_id: "alice" }, err: "invalid_request" },
  { what: "more than 64 KiB", claims: { filler: "x".repeat(65_536) }, err: "invalid_request" },
])("an event with $what is refused, and ends nothing", async ({ claims, err }) => {
  const { open, token, receive, stateOf, events } = await scene();
  const step = await open();
  expect(await receive(await token(SESSION_REVOKED, claims))).toMatchObject({ kind: "refused", err });
  expect(await stateOf(step.stepId)).toBe("OPEN");
  expect(await events()).toEqual([]);
});

test("an issuer that is believed for its own can't speak for another, in iss or by its key", async () => {
  const { open, token, receive, stateOf, other } = await scene();
  const step = await open();
  const forged = await token(SESSION_REVOKED, { by: other.privateKey });
  expect(await receive(forged)).toMatchObject({ err: "invalid_key" });
  const foreign = await token(SESSION_REVOKED, { by: other.privateKey, iss: OTHER_IDP });
  expect(await receive(foreign)).toMatchObject({ err: "invalid_request" });
  expect(await stateOf(step.stepId)).toBe("OPEN");
});

test("what is no token is refused, and not kept for later", async () => {
  const { receive } = await scene();
  for (const text of ["", "a.b", "a.b.c", "{}"]) expect(await receive(text)).toMatchObject({ err: "invalid_request" });
});
