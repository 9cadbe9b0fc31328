import { expect, onTestFinished, test, vi } from "vitest";
import { type BusMessage, createVerifier, type VerifierOptions } from "../../../src/sdk/verifier/index.ts";
import { codeOf } from "../../verify/code-of.ts";
import {
  AUDIENCE,
  bundleDocument,
  ecSigner,
  ISSUER,
  type Json,
  mint,
  NOW,
  type Signer,
  SUBJECT,
} from "../../verify/token-forge.ts";
import { type DenialInit, deniedJwt, deniedStep } from "./feed-responses.ts";
import { manualClock } from "./manual-clock.ts";
import { denialBytes, feedToken, keysDigestOf, scriptedBus } from "./scripted-bus.ts";
import { eventKeysOf, scriptedIssuer } from "./scripted-issuer.ts";

// A verifier on a bus that does what the test says: it loses, repeats, holds back and makes up.

const own = ecSigner("own");
const events = ecSigner("events");
const NOW_MS = NOW * 1_000;
const STEP_ID = "step_0190a5f2";
const token = mint(own, { claims: { exp: NOW + 3_000 } });
const endOf = (stepId = STEP_ID): DenialInit => deniedStep(stepId, SUBJECT);

type Said = { readonly epoch?: string; readonly by?: Signer; readonly atMs?: number; readonly claims?: Json };

async function connected(options: Partial<VerifierOptions> = {}) {
  const issuer = await scriptedIssuer({ own, events });
  const clock = manualClock(NOW_MS);
  const bus = scriptedBus();
  let digest = keysDigestOf(bundleDocument(own), eventKeysOf(events));
  const { connection } = bus;
  const verifier = createVerifier({
    audiences: [AUDIENCE],
    clock,
    revocation: { from: "nats", issuer: ISSUER, trustDomain: "example.org", url: issuer.url, connection },
    ...options,
  });
  onTestFinished(() => verifier.close());
  const signed = ({ by = events, claims }: Said, message: Parameters<typeof feedToken>[1]) =>
    feedToken(by, message, claims);
  const snapshot = (through: number, denials: readonly DenialInit[] = [], said: Said = {}, part = 1, parts = 1) =>
    signed(said, {
      ...{ kind: "snapshot", epoch: said.epoch ?? "e1", through, part, parts },
      ...{ atMs: said.atMs ?? NOW_MS, denials: denialBytes(...denials) },
    });
  const denied = (from: number, through: number, denials: readonly DenialInit[] = [], said: Said = {}) =>
    signed(said, {
      ...{ kind: "denied", epoch: said.epoch ?? "e1", from, through },
      ...{ atMs: said.atMs ?? clock.wallMs(), denials: denialBytes(...denials) },
    });
  const heartbeat = (through: number, said: Said = {}) =>
    signed(said, {
      ...{ kind: "heartbeat", epoch: said.epoch ?? "e1", through, keys: digest },
      ...{ atMs: said.atMs ?? clock.wallMs() },
    });
  return {
    ...{ issuer, clock, bus, verifier, snapshot, denied, heartbeat },
    beat: (through: number, said: Said = {}) => bus.tell("heartbeat", heartbeat(through, said)),
    /** From now on the broker has these keys, and says so in heartbeats; they are served at once. */
    publish(bundle: string, eventKeys: string) {
      digest = keysDigestOf(bundle, eventKeys);
      issuer.serve("/spiffe-bundle.json", bundle);
      issuer.serve("/keys/events.json", eventKeys);
    },
    judged: (actions: readonly ["write"] | readonly [] = []) => {
      try {
        verifier.verify(token, { actions });
        return "accepted";
      } catch (thrown) {
        return codeOf(() => {
          throw thrown;
        });
      }
    },
  };
}

/** A verifier that knows all up to sequence 5, at which nothing is denied. */
async function ready(options: Partial<VerifierOptions> = {}) {
  const scene = await connected(options);
  scene.bus.kept.push(scene.snapshot(5));
  await vi.waitFor(() => expect(scene.bus.reads()).toBe(1));
  scene.beat(5);
  await scene.verifier.ready();
  return scene;
}

test("a verifier is ready with keys, a whole deny-list and a heartbeat, and judges by them", async () => {
  const { verifier, judged, bus, snapshot, beat } = await connected();
  expect(judged()).toBe("NOT_READY");
  bus.kept.push(snapshot(5, [endOf("step_other")], {}, 1, 2), snapshot(5, [deniedJwt(ISSUER, "other")], {}, 2, 2));
  await vi.waitFor(() => expect(bus.reads()).toBe(1));
  expect(judged()).toBe("NOT_READY");
  beat(5);
  await verifier.ready();
  expect(judged()).toBe("REVOKED");
  expect(verifier.status()).toMatchObject({ connected: true, refusal: undefined, denied: 3, bundles: 1 });
});

test("an end that is told aborts what watches the step, and is refused from then on", async () => {
  const { verifier, bus, denied, judged } = await ready();
  const watched = verifier.signalFor(verifier.verify(token));
  bus.tell("denied", denied(5, 9, [endOf()]));
  expect(watched.signal.reason).toMatchObject({ code: "REVOKED", metadata: { state: "COMPLETED" } });
  expect(judged()).toBe("REVOKED");
});

test("a message that was missed is read from the stream before anything newer counts", async () => {
  const { bus, denied, beat, judged, clock, verifier } = await ready();
  const reads = bus.reads();
  bus.kept.push(denied(5, 9, [endOf()]));
  bus.hold(true);
  clock.advance(9_000);
  beat(9);
  await vi.waitFor(() => expect(bus.reads()).toBe(reads + 1));
  // What was known is nine seconds old, and with the skew too old to write.
  clock.advance(1_001);
  expect(judged(["write"])).toBe("STALE");
  expect(verifier.status()).toMatchObject({ connected: false, lastError: expect.stringContaining("can't be read") });
  bus.hold(false);
  clock.advance(1_000);
  await vi.waitFor(() => expect(judged(["write"])).toBe("REVOKED"));
});

test("messages that come in another order, twice, or beside the stream come to the same", async () => {
  const { bus, denied, beat, verifier } = await ready();
  const [one, two, three] = [
    denied(5, 7, [endOf("step_1")]),
    denied(7, 8, [endOf("step_2")]),
    denied(8, 12, [endOf("step_3")]),
  ];
  for (const text of [three, one, one, two, three]) bus.tell("denied", text);
  beat(12);
  expect(verifier.status()).toMatchObject({ refusal: undefined, denied: 4 });
  expect(bus.reads()).toBe(1);
});

test.for([
  { what: "by another's key of the same name", said: { by: ecSigner("events") } },
  { what: "by a key that is not the broker's", said: { by: ecSigner("unknown") } },
  { what: "by the key of tokens", said: { by: own } },
  { what: "of another broker", said: { claims: { iss: "https://stint.example.com" } } },
  { what: "of an earlier epoch", said: { epoch: "e0" } },
])("a heartbeat $what makes nothing younger", async ({ said }) => {
  const { clock, beat, judged } = await ready();
  clock.advance(10_001);
  beat(5, said);
  expect(judged(["write"])).toBe("STALE");
  clock.advance(1);
  beat(5);
  expect(judged(["write"])).toBe("accepted");
});

test("an old heartbeat that is repeated makes nothing younger", async () => {
  const { clock, bus, heartbeat, judged } = await ready();
  const old = heartbeat(5);
  for (let second = 0; second < 11; second += 1) {
    clock.advance(1_000);
    bus.tell("heartbeat", old);
  }
  expect(judged(["write"])).toBe("STALE");
});

test("a denial that somebody made up is none", async () => {
  const { bus, denied, judged, verifier } = await ready();
  bus.tell("denied", denied(5, 9, [endOf()], { by: ecSigner("events") }));
  bus.tell("denied", "no token");
  expect(judged()).toBe("accepted");
  expect(verifier.status().lastError).toContain("not a message of the feed");
});

test("a denial of a kind that is to come makes everything refused, since who it means would be let in", async () => {
  const { bus, denied, beat, clock, judged } = await ready();
  bus.tell("denied", denied(5, 9, [{ reason: "unspecified", sequence: 9n }]));
  clock.advance(10_001);
  beat(9);
  expect(judged(["write"])).toBe("STALE");
});

test("a ledger that was put back without a word is noticed: heartbeats behind what is known count for nothing", async () => {
  const { bus, denied, beat, clock, judged } = await ready();
  bus.tell("denied", denied(5, 9));
  beat(9);
  clock.advance(10_001);
  beat(7);
  expect(judged(["write"])).toBe("STALE");
});

test("a new epoch begins with its own deny-list, and what was denied stays denied", async () => {
  const { bus, snapshot, denied, beat, clock, judged } = await ready();
  bus.tell("denied", denied(5, 9, [endOf()]));
  bus.kept.splice(0, 1, undefined, snapshot(20, [], { epoch: "e2" }));
  clock.advance(1_000);
  beat(20, { epoch: "e2" });
  await vi.waitFor(() => expect(bus.reads()).toBe(2));
  clock.advance(9_500);
  expect(judged(["write"])).toBe("REVOKED");
});

test("a stream that was made anew is read from its beginning", async () => {
  const { bus, snapshot, denied, beat, clock, judged } = await ready();
  for (const through of [6, 7, 8]) {
    bus.kept.push(denied(through - 1, through));
    bus.tell("denied", denied(through - 1, through));
  }
  beat(8);
  bus.kept.splice(0, bus.kept.length, snapshot(30, [endOf()]));
  clock.advance(1_000);
  beat(30);
  await vi.waitFor(() => expect(judged()).toBe("REVOKED"));
});

test("who begins with a stream of many messages reads it whole", async () => {
  const { bus, snapshot, denied, beat, verifier } = await connected();
  bus.kept.push(undefined, undefined, snapshot(5));
  for (let through = 6; through < 205; through += 1) {
    bus.kept.push(denied(through - 1, through, [endOf(`step_${through}`)]));
  }
  // By 64 messages.
  await vi.waitFor(() => expect(bus.reads()).toBe(4));
  beat(204);
  await verifier.ready();
  expect(verifier.status().denied).toBe(200);
});

test("denials that were told between two parts of a deny-list are not missed", async () => {
  const { bus, snapshot, denied, beat, verifier, judged } = await connected();
  bus.kept.push(snapshot(5, [], {}, 1, 2), denied(5, 9, [endOf()]), snapshot(5, [], {}, 2, 2));
  await vi.waitFor(() => expect(bus.reads()).toBe(1));
  beat(9);
  await verifier.ready();
  expect(judged()).toBe("REVOKED");
});

test("half a deny-list is none", async () => {
  const { bus, snapshot, beat, judged } = await connected();
  bus.kept.push(snapshot(5, [], {}, 1, 3), snapshot(5, [], {}, 3, 3), snapshot(5, [], { atMs: NOW_MS + 1 }, 2, 3));
  await vi.waitFor(() => expect(bus.reads()).toBe(1));
  beat(5);
  expect(judged()).toBe("NOT_READY");
});

test("a key that is withdrawn is believed for no longer than the bound, and not fetched anew at once by all", async () => {
  const { publish, beat, clock, judged, issuer } = await ready();
  const other = ecSigner("other");
  publish(bundleDocument(other), eventKeysOf(events));
  const asked = issuer.asked("/spiffe-bundle.json");
  clock.advance(6_000);
  beat(5);
  expect(judged()).toBe("accepted");
  expect(issuer.asked("/spiffe-bundle.json")).toBe(asked);
  clock.advance(3_000);
  await vi.waitFor(() => expect(judged()).toBe("KEY_UNKNOWN"));
  expect(issuer.asked("/spiffe-bundle.json")).toBe(asked + 1);
});

test("where new keys can't be had, what is known grows old", async () => {
  const { publish, beat, clock, judged, issuer } = await ready();
  publish(bundleDocument(own, ecSigner("other")), eventKeysOf(events));
  issuer.stop();
  for (let second = 0; second < 11; second += 1) {
    clock.advance(1_000);
    beat(5);
  }
  expect(judged(["write"])).toBe("STALE");
});

test("messages by a key that is new are read again once it is fetched", async () => {
  const { publish, beat, clock, judged, bus, denied, issuer } = await ready();
  const next = ecSigner("next");
  publish(bundleDocument(own), eventKeysOf(events, next));
  bus.kept.push(denied(5, 9, [endOf()], { by: next }));
  bus.tell("denied", denied(5, 9, [endOf()], { by: next }));
  beat(9, { by: next });
  expect(judged()).toBe("accepted");
  const asked = issuer.asked("/keys/events.json");
  clock.advance(6_000);
  await vi.waitFor(() => expect(issuer.asked("/keys/events.json")).toBe(asked + 1));
  await vi.waitFor(() => {
    beat(9, { by: next });
    expect(judged()).toBe("REVOKED");
  });
});

test("keys are fetched again in ten minutes, whatever the bus says", async () => {
  const { beat, clock, issuer } = await ready();
  const asked = issuer.asked("/keys/events.json");
  clock.advance(299_999);
  beat(5);
  expect(issuer.asked("/keys/events.json")).toBe(asked);
  clock.advance(300_001);
  beat(5);
  await vi.waitFor(() => expect(issuer.asked("/keys/events.json")).toBe(asked + 1));
});

test.for([
  { what: "whose stream has always more, and never another message", step: 0 },
  { what: "whose stream never ends", step: 1 },
])("a bus $what keeps no verifier busy for ever", async ({ step }) => {
  const issuer = await scriptedIssuer({ own, events });
  const clock = manualClock(NOW_MS);
  const { connection } = scriptedBus();
  let asked = 0;
  async function* endless(): AsyncGenerator<BusMessage> {
    asked += 1;
    if (asked === 20) clock.advance(30_001);
    const headers = (code: number, said: string) => ({ code, get: () => said });
    yield { string: () => "no message", headers: headers(0, String(asked * step)) };
    yield { string: () => "", headers: headers(204, "1") };
  }
  const verifier = createVerifier({
    ...{ audiences: [AUDIENCE], clock },
    revocation: {
      ...{ from: "nats", issuer: ISSUER, trustDomain: "example.org", url: issuer.url },
      connection: { ...connection, requestMany: async () => endless() },
    },
  });
  onTestFinished(() => verifier.close());
  await vi.waitFor(() => expect(asked).toBe(step === 0 ? 1 : 20));
  // Whoever goes on reads a message each turn, since this bus answers at once.
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
  expect(asked).toBe(step === 0 ? 1 : 20);
});

test("a connection that is closed for good is said, and waited for no longer", async () => {
  const { verifier, bus, clock, judged } = await ready();
  bus.close();
  clock.advance(60_000);
  expect(judged()).toBe("STALE");
  expect(verifier.status().lastError).toBe("the connection to NATS is closed for good");
  await expect(verifier.ready()).rejects.toMatchObject({ code: "NOT_SERVING" });
});

test.for([
  {
    what: "a connection that is closed",
    change: { connection: { ...scriptedBus().connection, isClosed: () => true } },
  },
  { what: "a subject that is none", change: { subject: "a..b" } },
])("$what is refused", ({ change }) => {
  const { connection } = scriptedBus();
  const revocation = { from: "nats", issuer: ISSUER, trustDomain: "example.org", connection, ...change } as const;
  expect(() => createVerifier({ audiences: [AUDIENCE], revocation })).toThrow(
    expect.objectContaining({ code: "INVALID_FIELD" }),
  );
});
