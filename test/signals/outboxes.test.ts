import { expect, test } from "vitest";
import { pollEvents } from "../../src/signals/poll-events.ts";
import { done, OPERATOR } from "../contract/ledger-world.ts";
import { ISSUER } from "./events-ledger.ts";
import { signalsScene } from "./signals-scene.ts";

const SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const CREDENTIAL_CHANGE = "https://schemas.openid.net/secevent/caep/event-type/credential-change";

test("a step's end is a session that is revoked, named as its tokens name it; nothing of run or agent is said", async () => {
  const scene = await signalsScene();
  const { outboxes, streams } = await scene.start();
  const receiver = await scene.receiver();
  const stream = await streams.create(receiver, {});
  const step = await scene.ended();
  const polling = { ...scene.signing, outboxes, refused: () => undefined };
  const request = { returnImmediately: true };
  const { sets } = await pollEvents(stream, "aud", request, polling, new AbortController().signal);
  const [[jti, token] = ["", ""], ...more] = Object.entries(sets);
  expect(more).toEqual([]);
  const payload = await scene.read(token, "aud");
  expect(payload).toEqual({
    iss: ISSUER,
    aud: "aud",
    jti,
    iat: expect.any(Number),
    txn: expect.stringMatching(/^[0-9a-f]{32}$/),
    sub_id: { format: "complex", session: { format: "opaque", id: step.stepId } },
    events: { [SESSION_REVOKED]: { event_timestamp: payload.iat, reason_admin: { en: "the work has ended" } } },
  });
  expect(JSON.stringify(payload)).not.toContain(step.runId);
});

test("one token that was taken back is named by issuer and jti, a certificate by its serial number", async () => {
  const scene = await signalsScene();
  const { outboxes, streams } = await scene.start();
  const stream = await streams.create(await scene.receiver(), {});
  const { world, clock } = scene;
  const step = await world.open(await world.agent());
  const { jti = "" } = await world.issue(step);
  const { serialNumber = "" } = await world.issue(step, { kind: "x509-svid" });
  for (const credential of [{ jti }, { serialNumber }]) {
    const act = { act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR } as const;
    done(await world.ledger.perform({ ...act, now: clock.now() }));
  }
  const { events } = await outboxes.next(stream.streamId, 10);
  expect(events.map(({ event, subject, said }) => ({ event, subject, said }))).toMatchObject([
    { event: SESSION_REVOKED, subject: { format: "jwt_id", iss: ISSUER, jti } },
    {
      event: CREDENTIAL_CHANGE,
      subject: { format: "opaque", id: serialNumber },
      said: { credential_type: "x509", change_type: "revoke", x509_serial: serialNumber },
    },
  ]);
});

test("an event is sent again until it is acknowledged, always as the same, and over a restart too", async () => {
  const scene = await signalsScene();
  const first = await scene.start();
  const { streamId } = await first.streams.create(await scene.receiver(), {});
  await scene.ended();
  await scene.ended();
  const { events } = await first.outboxes.next(streamId, 10);
  expect(events).toHaveLength(2);
  expect((await first.outboxes.next(streamId, 10)).events).toEqual(events);
  const [one, other] = events.map(({ jti }) => jti);
  first.outboxes.acknowledge(streamId, [one ?? ""]);
  await first.outboxes.stop();

  const second = await scene.start();
  expect((await second.outboxes.next(streamId, 10)).events.map(({ jti }) => jti)).toEqual([other]);
  second.outboxes.acknowledge(streamId, [other ?? ""]);
  await second.outboxes.stop();
  const third = await scene.start();
  expect((await third.outboxes.next(streamId, 10)).events).toEqual([]);
});

test("what is acknowledged before what came earlier does not let the earlier be lost", async () => {
  const scene = await signalsScene();
  const first = await scene.start();
  const { streamId } = await first.streams.create(await scene.receiver(), {});
  await scene.ended();
  await scene.ended();
  const [one, other] = (await first.outboxes.next(streamId, 10)).events.map(({ jti }) => jti);
  first.outboxes.acknowledge(streamId, [other ?? ""]);
  await first.outboxes.stop();
  const second = await scene.start();
  expect((await second.outboxes.next(streamId, 10)).events.map(({ jti }) => jti)).toContain(one);
});

test("a receiver is told of what can be presented to it, and of nothing before its stream", async () => {
  const scene = await signalsScene();
  const { outboxes, streams } = await scene.start();
  await scene.ended();
  const here = await streams.create(await scene.receiver(), {});
  const elsewhere = await streams.create(await scene.receiver(undefined, ["https://other.example/mcp"]), {});
  await scene.ended();
  expect((await outboxes.next(here.streamId, 10)).events).toHaveLength(1);
  expect((await outboxes.next(elsewhere.streamId, 10)).events).toEqual([]);
});

test("only what is asked for is sent, and what was asked for anew is looked at anew", async () => {
  const scene = await signalsScene();
  const { outboxes, streams } = await scene.start();
  const receiver = await scene.receiver();
  const stream = await streams.create(receiver, { events_requested: [CREDENTIAL_CHANGE, "https://example/unknown"] });
  expect(stream.events).toEqual([CREDENTIAL_CHANGE]);
  await scene.ended();
  expect((await outboxes.next(stream.streamId, 10)).events).toEqual([]);
  await streams.change(receiver, stream, { events_requested: [SESSION_REVOKED] }, false);
  await scene.ended();
  expect((await outboxes.next(stream.streamId, 10)).events).toHaveLength(1);
});

test("a stream that is paused holds what is to be sent, and one that is disabled lets it go", async () => {
  const scene = await signalsScene();
  const { outboxes, streams } = await scene.start();
  const receiver = await scene.receiver();
  const stream = await streams.create(receiver, {});
  const sent = async () => (await outboxes.next(stream.streamId, 10)).events.length;
  for (const [status, kept] of [
    ["paused", 1],
    ["disabled", 0],
  ] as const) {
    const standing = await streams.setStatus(receiver, stream, { status, reason: "maintenance" });
    expect(streams.find(receiver, stream.streamId)).toMatchObject({ status, reason: "maintenance" });
    await scene.ended();
    expect(await sent()).toBe(0);
    await streams.setStatus(receiver, standing, { status: "enabled" });
    expect(await sent()).toBe(kept);
    outboxes.acknowledge(
      stream.streamId,
      (await outboxes.next(stream.streamId, 10)).events.map(({ jti }) => jti),
    );
  }
});

test("a stream ends with its receiver's entry, and when the receiver says so; then there may be another", async () => {
  const scene = await signalsScene();
  const { outboxes, streams } = await scene.start();
  const [one, other] = [await scene.receiver(), await scene.receiver()];
  const [first, second] = [await streams.create(one, {}), await streams.create(other, {})];
  await expect(streams.create(one, {})).rejects.toMatchObject({ code: "INVALID_FIELD" });
  await streams.remove(one, first);
  expect(streams.find(one, undefined)).toBe(undefined);
  await streams.create(one, {});
  const { entryId } = other.entry;
  const { world, clock, store } = scene;
  const { sequence } = done(
    await world.ledger.perform({
      act: "retire-entry",
      entryId,
      by: { kind: "broker", cause: "config" },
      now: clock.now(),
    }),
  );
  await outboxes.following.reached(sequence);
  expect(outboxes.all().map(({ streamId }) => streamId)).not.toContain(second.streamId);
  expect((await store.projections.eventStreams()).value).toHaveLength(1);
});

test("of many events as many are given as are wanted, and that there are more", async () => {
  const scene = await signalsScene();
  const { outboxes, streams } = await scene.start();
  const { streamId } = await streams.create(await scene.receiver(), {});
  for (let index = 0; index < 5; index += 1) await scene.ended();
  const seen = new Set<string>();
  for (const more of [true, true, false]) {
    const given = await outboxes.next(streamId, 2);
    expect(given.more).toBe(more);
    for (const { jti } of given.events) seen.add(jti);
    outboxes.acknowledge(
      streamId,
      given.events.map(({ jti }) => jti),
    );
  }
  expect(seen.size).toBe(5);
});

test("a poll that may wait is answered when something ends, and with nothing after eight seconds", async () => {
  const scene = await signalsScene();
  const { outboxes, streams } = await scene.start();
  const stream = await streams.create(await scene.receiver(), {});
  const polling = { ...scene.signing, outboxes, refused: () => undefined };
  const poll = (request = {}) => pollEvents(stream, "aud", request, polling, new AbortController().signal);
  const waiting = poll();
  await scene.ended();
  const { sets } = await waiting;
  expect(Object.keys(sets)).toHaveLength(1);
  const again = poll({ ack: Object.keys(sets) });
  await expect.poll(() => scene.clock.pending()).toBe(2);
  scene.clock.advance(8_000);
  expect(await again).toEqual({ sets: {} });
});

test("an event that a receiver can't take is told to the operator, and not sent again", async () => {
  const scene = await signalsScene();
  const { outboxes, streams } = await scene.start();
  const stream = await streams.create(await scene.receiver(), {});
  await scene.ended();
  const refused: unknown[] = [];
  const polling = { ...scene.signing, outboxes, refused: (...told: unknown[]) => void refused.push(told) };
  const poll = (request: object) =>
    pollEvents(stream, "aud", { returnImmediately: true, ...request }, polling, new AbortController().signal);
  const [jti = ""] = Object.keys((await poll({})).sets);
  expect(await poll({ setErrs: { [jti]: { err: "invalid_key", description: "x" } } })).toEqual({ sets: {} });
  expect(refused).toEqual([[stream.streamId, ["invalid_key"]]]);
});

test.for([
  { request: { maxEvents: -1 }, field: "maxEvents" },
  { request: { maxEvents: "1" }, field: "maxEvents" },
  { request: { returnImmediately: 1 }, field: "returnImmediately" },
  { request: { ack: [1] }, field: "ack" },
  { request: { ack: Array.from({ length: 201 }, String) }, field: "ack" },
  { request: { setErrs: [] }, field: "setErrs" },
])("a poll with a wrong $field is refused: $request", async ({ request, field }) => {
  const scene = await signalsScene();
  const { outboxes, streams } = await scene.start();
  const stream = await streams.create(await scene.receiver(), {});
  const polling = { ...scene.signing, outboxes, refused: () => undefined };
  await expect(pollEvents(stream, "aud", request, polling, new AbortController().signal)).rejects.toMatchObject({
    code: "INVALID_FIELD",
    metadata: { field },
  });
});

test("a stream is verified by an event with the state that was asked for, once a minute", async () => {
  const scene = await signalsScene();
  const { outboxes, streams } = await scene.start();
  const stream = await streams.create(await scene.receiver(), {});
  expect(streams.verify(stream, { state: "abc" })).toBe(true);
  expect(streams.verify(stream, { state: "abc" })).toBe(false);
  const { events } = await outboxes.next(stream.streamId, 10);
  expect(events).toMatchObject([
    {
      event: "https://schemas.openid.net/secevent/ssf/event-type/verification",
      subject: { format: "opaque", id: stream.streamId },
      said: { state: "abc" },
    },
  ]);
  outboxes.acknowledge(stream.streamId, [events[0]?.jti ?? ""]);
  expect((await outboxes.next(stream.streamId, 10)).events).toEqual([]);
  scene.clock.advance(60_000);
  expect(streams.verify(stream, {})).toBe(true);
});
