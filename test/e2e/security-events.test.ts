import { readFileSync } from "node:fs";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { createVerifier, VerificationError } from "../../src/sdk/verifier/index.ts";
import { madeCertificate } from "../api/http/http-peers.ts";
import { closeStep, issueJwt, OWN_ENTRIES, openStep, sessionWith, startOwnDaemon } from "../faults/daemon-scene.ts";
import { SEARCH } from "./entries.ts";
import { eventReceiver, ownSvid, send, startTransmitter } from "./transmitting-broker.ts";

const ISSUER = "https://broker.example.org";
const SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const STARTS = { timeout: 120_000 } as const;

test(
  "a verifier asks for events, is pushed what ends at its registered URL, and can verify it; others' events are judged",
  STARTS,
  async () => {
    const { taken, roots, url, close } = await eventReceiver(madeCertificate());
    onTestFinished(close);
    const [agent, verifier] = OWN_ENTRIES;
    const audience = "https://stint.example.org";
    const daemon = await startOwnDaemon({
      entries: [agent ?? {}, { ...verifier, events_url: url }],
      config: {
        http: { listen: "127.0.0.1:0", own_svid: true },
        ssf: {
          ...{ transmit: true, roots },
          receive: [{ issuer: "https://id.example.org", jwks_uri: "https://id.example.org/keys", audience }],
        },
      },
    });
    const session = sessionWith(daemon);
    const client = await ownSvid(session.channel);
    const configuration = JSON.parse((await send(daemon, "/.well-known/ssf-configuration")).body);
    expect(configuration).toMatchObject({ spec_version: "1_0", issuer: ISSUER });
    const stream = { body: JSON.stringify({ delivery: { method: "urn:ietf:rfc:8935" } }) };
    expect((await send(daemon, "/ssf/stream", stream)).status).toBe(401);
    expect((await send(daemon, "/ssf/stream", { ...stream, client })).status).toBe(201);

    const { stepId } = await openStep(session, "told");
    await issueJwt(session, stepId);
    await closeStep(session, stepId);
    await expect.poll(() => taken.length).toBe(1);
    const keys = createLocalJWKSet(JSON.parse((await send(daemon, "/keys/events.json")).body) as JSONWebKeySet);
    const { payload } = await jwtVerify(taken[0] ?? "", keys, {
      ...{
        typ: "secevent+jwt",
        algorithms: ["ES256"],
        issuer: ISSUER,
        audience: "spiffe://example.org/verifier/mcp-1",
      },
    });
    expect(payload["sub_id"]).toEqual({ format: "complex", session: { format: "opaque", id: stepId } });
    expect(Object.keys(payload["events"] as object)).toEqual([SESSION_REVOKED]);

    const event = { body: "a.b.c", type: "application/secevent+jwt" };
    const refused = await send(daemon, "/ssf/events", event);
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.body)).toMatchObject({ err: "invalid_request" });
  },
);

test(
  "a verifier that polls refuses a step at once when it has ended, and whatever was issued before it began to hear",
  STARTS,
  async () => {
    const { daemon, certificate } = await startTransmitter();
    const session = sessionWith(daemon);
    const { stepId: earlier } = await openStep(session, "earlier");
    const early = await issueJwt(session, earlier);
    const verifier = createVerifier({
      audiences: [SEARCH],
      development: true,
      revocation: {
        ...{ from: "poll", issuer: ISSUER, trustDomain: "example.org", url: daemon.httpUrl },
        roots: readFileSync(certificate, "utf8"),
        svid: () => ownSvid(session.channel),
      },
    });
    onTestFinished(() => verifier.close());
    await verifier.ready();
    const judged = (token: string) => {
      try {
        verifier.verify(token);
        return "accepted";
      } catch (thrown) {
        return thrown instanceof VerificationError ? thrown.code : String(thrown);
      }
    };
    expect(judged(early)).toBe("CLAIMS_INVALID");
    const { stepId } = await openStep(session, "told");
    // What is issued has an `iat` of some seconds before.
    let token = "";
    const renewed = async () => {
      token = await issueJwt(session, stepId);
      return judged(token);
    };
    await expect.poll(renewed, { timeout: 30_000, interval: 500 }).toBe("accepted");
    const { signal } = verifier.signalFor(verifier.verify(token));
    await closeStep(session, stepId);
    await expect.poll(() => signal.aborted, { timeout: 10_000 }).toBe(true);
    expect(judged(token)).toBe("REVOKED");
    expect(verifier.status()).toMatchObject({ connected: true, refusal: undefined, lastError: undefined });
    await daemon.stop();
    await expect.poll(() => verifier.status().refusal, { timeout: 30_000 }).toBe("STALE");
  },
);
