import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { natsFeedBus } from "../../src/adapters/events-nats/nats-feed-bus.ts";
import { natsOf, natsSection } from "../../src/config/nats-section.ts";
import { buildNats, NATS_BUILD_MS_MAX, natsIsMissing, startNats } from "../conformance/nats/nats-server.ts";
import { denialBytes, feedToken, keysDigestOf } from "../sdk/verifier/scripted-bus.ts";
import { eventKeysOf, scriptedIssuer } from "../sdk/verifier/scripted-issuer.ts";
import { AUDIENCE, bundleDocument, ecSigner, mint } from "../verify/token-forge.ts";
import { verifierOverNats } from "./nats-snippet.ts";

// What the guide to NATS shows is what broker, server and verifier take.

const shown = (name: string) => readFileSync(join(import.meta.dirname, name), "utf8");

test("the guide to NATS: its settings are taken", () => {
  expect(natsOf(natsSection.parse(parse(shown("nats.yaml")).nats))).toMatchObject({
    ...{ servers: ["nats-1.example.org:4222", "nats-2.example.org:4222"], isTls: true, replicas: 3 },
    login: { kind: "password", user: "stint" },
  });
});

describe.skipIf(natsIsMissing())("the guide to NATS", () => {
  beforeAll(buildNats, NATS_BUILD_MS_MAX);

  test("its permissions are what broker and verifier need, and a verifier can't tell anything", async () => {
    const conf = shown("nats.conf").replace("$BROKER_PASSWORD", '"of-broker"');
    const server = await startNats(conf.replace("$VERIFIER_PASSWORD", '"of-verifier"'));
    const login = { kind: "password", user: "stint", password: "of-broker" } as const;
    const bus = natsFeedBus({
      ...{ servers: [server.address], tls: false, subject: "stint", replicas: 1, credentials: () => ({ login }) },
    });
    onTestFinished(() => bus.close());
    const [own, events] = [ecSigner("own"), ecSigner("events")];
    const issuer = await scriptedIssuer({ own, events });
    const said = { epoch: "e1", through: 1, atMs: Date.now() };
    const sign = (message: Parameters<typeof feedToken>[1]) => feedToken(events, message, { iss: issuer.url });
    const { last } = await bus.places();
    const denials = denialBytes();
    const first = await bus.append("snapshot", sign({ ...said, kind: "snapshot", part: 1, parts: 1, denials }), last);
    await bus.append("denied", sign({ ...said, kind: "denied", from: 1, denials }), first);
    await bus.dropBefore(first);
    const keys = keysDigestOf(bundleDocument(own), eventKeysOf(events));
    const beating = setInterval(() => bus.tell(sign({ ...said, kind: "heartbeat", atMs: Date.now(), keys })), 100);
    onTestFinished(() => clearInterval(beating));

    const place = { servers: [server.address], tls: null, password: "of-verifier" };
    const { verifier, connection } = await verifierOverNats(AUDIENCE, issuer.url, place);
    onTestFinished(async () => {
      verifier.close();
      await connection.close();
    });
    const now = Math.floor(Date.now() / 1_000);
    const token = mint(own, { claims: { iss: issuer.url, iat: now, nbf: now, exp: now + 60 } });
    expect(verifier.verify(token).issuer).toBe(issuer.url);

    const { last: before } = await bus.places();
    for (const subject of ["stint.denied", "stint.snapshot", "$JS.API.STREAM.PURGE.stint"]) connection.publish(subject);
    await connection.flush();
    expect(await bus.places()).toEqual({ first, last: before });
  });
});
