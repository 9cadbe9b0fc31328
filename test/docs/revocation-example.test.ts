import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { ssfSection } from "../../src/config/ssf-section.ts";
import { deliveredEvents } from "../../src/domain/event-stream.ts";
import { securityEventClaims } from "../../src/domain/security-event.ts";
import type { SpiffeId } from "../../src/domain/spiffe-id.ts";
import { statusClaim } from "../../src/domain/status-list.ts";
import { microsOf, type UnixSeconds } from "../../src/domain/time.ts";
import { eventOf } from "../../src/signals/denial-event.ts";
import { scriptedIssuer } from "../sdk/verifier/scripted-issuer.ts";
import { signalsScene } from "../signals/signals-scene.ts";
import { bitsOf, inList, LIST, statusList } from "../verify/status-list-forge.ts";
import { AUDIENCE, ecSigner, mint } from "../verify/token-forge.ts";
import { pollingVerifier, serviceBy } from "./status-list-snippet.ts";

// What the guide to revocation shows is what the broker writes and takes.

const shown = (name: string) => readFileSync(join(import.meta.dirname, name), "utf8");
const ISSUER = "https://stint.example.org:8443";
const AT = 1_795_341_600 as UnixSeconds;

test("the guide to revocation: its settings are taken", () => {
  expect(ssfSection.parse(parse(shown("revocation.yaml")).ssf)).toMatchObject({
    receive: [{ issuer: "https://id.example.org", jwks_uri: "https://id.example.org/keys" }],
  });
});

test("the guide to revocation: a token's claim and an event are as they are shown", () => {
  const status = statusClaim(ISSUER, { list: "b1yQxW0mVd4k", index: 86_113 });
  expect(JSON.parse(shown("revocation-status.json"))).toEqual({ status });
  const event = JSON.parse(shown("revocation-event.json"));
  const said = eventOf(
    {
      ...{ sequence: 1, reason: "cessationOfOperation", state: "COMPLETED", deniedAt: microsOf(AT), latestExpiry: AT },
      ...{ audiences: [], concernsAll: false, runEntryId: "entry" },
      subject: { kind: "step", stepId: event.sub_id.session.id, spiffeId: "spiffe://example.org/x" as SpiffeId },
    },
    ISSUER,
  );
  const { jti, txn, aud: audience } = event;
  expect(event).toEqual(securityEventClaims({ issuer: ISSUER, audience, jti, txn, issuedAt: AT, ...said }));
});

test("the guide to revocation: its request makes a stream", async () => {
  const scene = await signalsScene();
  const { streams } = await scene.start();
  const stream = await streams.create(await scene.receiver(), JSON.parse(shown("revocation-stream.json")));
  expect(stream).toMatchObject({ delivery: "poll", status: "enabled", events: deliveredEvents(undefined) });
});

test("the guide to revocation: its verifier takes what its list has as valid, and nothing else", async () => {
  const signers = { own: ecSigner("own"), events: ecSigner("events") };
  const { url, serve } = await scriptedIssuer(signers);
  const iat = Math.floor(Date.now() / 1_000);
  const uri = `${url}/status/${LIST}`;
  const claims = { iss: url, sub: uri, iat, exp: iat + 60 };
  serve(`/status/${LIST}`, statusList(signers.events, { claims, bytes: bitsOf([2]) }));
  const { verifier, answer } = await serviceBy(AUDIENCE, url);
  onTestFinished(() => verifier.close());
  const times = { iat, nbf: iat - 5, exp: iat + 120 };
  const token = (idx: number) => mint(signers.own, { claims: { iss: url, ...times, ...inList(idx, uri) } });
  expect(await answer(token(1), async (signal) => `aborted: ${signal.aborted}`)).toBe("aborted: false for r1");
  await expect(answer(token(2), async () => "never")).rejects.toMatchObject({ code: "REVOKED" });
});

test("the guide to revocation: its verifier polls with its own SVID", async () => {
  const asked = Promise.withResolvers<void>();
  const verifier = pollingVerifier(AUDIENCE, "https://localhost:1", async () => {
    asked.resolve();
    return { cert: "", key: "" };
  });
  onTestFinished(() => verifier.close());
  await asked.promise;
});
