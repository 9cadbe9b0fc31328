import { expect, onTestFinished, test } from "vitest";
import { keepPushing } from "../../src/signals/push-events.ts";
import { done } from "../contract/ledger-world.ts";
import { EVENTS_URL, signalsScene } from "./signals-scene.ts";

const PUSH = { delivery: { method: "urn:ietf:rfc:8935" } };

/** @param signed - done while a token is signed. */
async function pushing(signed: () => Promise<void> = async () => undefined) {
  const scene = await signalsScene();
  const signer: typeof scene.signing.signer = {
    ...scene.signing.signer,
    async signSecurityEvent(...asked) {
      await signed();
      return scene.signing.signer.signSecurityEvent(...asked);
    },
  };
  const { outboxes, streams } = await scene.start();
  const pushed: { readonly url: string; readonly token: string }[] = [];
  const delayed: string[] = [];
  let refusal: string | undefined;
  let elsewhere = false;
  const end = keepPushing({
    ...scene.signing,
    signer,
    outboxes,
    entries: scene.entries,
    events: {
      async push(url, token) {
        if (refusal !== undefined) throw new Error(refusal);
        pushed.push({ url, token });
      },
    },
    isElsewhere: () => elsewhere,
    delayed: (_, why) => void delayed.push(why),
    failed: (thrown) => expect.unreachable(String(thrown)),
  });
  onTestFinished(end);
  return {
    ...scene,
    ...{ outboxes, streams, pushed, delayed },
    refuse(why: string | undefined) {
      refusal = why;
    },
    /** Another broker pushes from now on, or this one does. */
    lead(leads: boolean) {
      elsewhere = !leads;
    },
  };
}

test("what ends is pushed to the URL that the receiver is registered with, once", async () => {
  const { streams, receiver, ended, pushed, read } = await pushing();
  const one = await receiver(EVENTS_URL);
  await streams.create(one, PUSH);
  await ended();
  await ended();
  await expect.poll(() => pushed.length).toBe(2);
  for (const { url, token } of pushed) {
    expect(url).toBe(EVENTS_URL);
    await read(token, one.entry.spiffeId);
  }
});

test("nothing is pushed for a stream that was removed while its token was signed", async () => {
  const removals: (() => Promise<void>)[] = [];
  const { streams, outboxes, receiver, ended, pushed, clock, notifier } = await pushing(async () => removals.pop()?.());
  const one = await receiver(EVENTS_URL);
  const stream = await streams.create(one, PUSH);
  removals.push(() => streams.remove(one, stream));
  await ended();
  await expect.poll(() => outboxes.all()).toEqual([]);
  clock.advance(1_000);
  await notifier.caughtUp();
  expect(pushed).toEqual([]);
});

test("what is not taken is pushed again after ever longer waits, in order, until it is taken", async () => {
  const { streams, receiver, ended, pushed, delayed, refuse, clock, world, notifier } = await pushing();
  await streams.create(await receiver(EVENTS_URL), PUSH);
  refuse("answered 503");
  await ended();
  await expect.poll(() => delayed.length).toBe(1);
  for (const [index, seconds] of [1, 2, 4].entries()) {
    await expect.poll(() => clock.pending()).toBe(2);
    clock.advance(seconds * 1_000 - 1);
    await notifier.caughtUp();
    expect(delayed).toHaveLength(index + 1);
    clock.advance(1);
    await expect.poll(() => delayed.length).toBe(index + 2);
  }
  refuse(undefined);
  await ended();
  await expect.poll(() => clock.pending()).toBe(2);
  clock.advance(8_000);
  await expect.poll(() => pushed.length).toBe(2);
  expect(new Set(delayed)).toEqual(new Set(["answered 503"]));
  expect(world.ledger.head().sequence).toBeGreaterThan(0);
});

test("among brokers that share a ledger one pushes; the next goes on where it ended, and a verification is pushed by whoever was asked", async () => {
  const { streams, receiver, ended, pushed, lead, outboxes, start, clock, notifier, read, change } = await pushing();
  const one = await receiver(EVENTS_URL);
  const { streamId } = await streams.create(one, PUSH);
  lead(false);
  // The other broker.
  const leading = await start();
  const first = await ended();
  const { events } = await leading.outboxes.next(streamId, 10);
  expect((await outboxes.next(streamId, 10)).events).toEqual(events);
  leading.outboxes.acknowledge(
    streamId,
    events.map(({ jti }) => jti),
  );
  clock.advance(1_000);
  await expect.poll(async () => (await outboxes.next(streamId, 10)).events).toEqual([]);
  const second = await ended();
  outboxes.verify(streamId, "proof");
  await expect.poll(() => pushed.length).toBe(1);
  expect(await read(pushed[0]?.token ?? "", one.entry.spiffeId)).toMatchObject({
    events: { "https://schemas.openid.net/secevent/ssf/event-type/verification": { state: "proof" } },
  });
  lead(true);
  change();
  await expect.poll(() => pushed.length).toBe(2);
  await notifier.caughtUp();
  const told = JSON.stringify(await read(pushed[1]?.token ?? "", one.entry.spiffeId));
  expect([told.includes(second.stepId), told.includes(first.stepId)]).toEqual([true, false]);
});

test("nothing is pushed to a receiver whose entry is disabled, or that polls", async () => {
  const { streams, receiver, ended, pushed, known } = await pushing();
  const disabled = await receiver(EVENTS_URL);
  await streams.create(disabled, PUSH);
  known.set(disabled.entry.entryId, { ...disabled.entry, disabled: true });
  await streams.create(await receiver(EVENTS_URL), {});
  const told = await receiver("https://other.example.org/events");
  await streams.create(told, PUSH);
  await ended();
  await expect.poll(() => pushed.length).toBe(1);
  expect(pushed[0]?.url).toBe("https://other.example.org/events");
});

test("what ended while a receiver was disabled is pushed once it is enabled again, though nothing ends since", async () => {
  const { streams, receiver, ended, pushed, known, world, clock, notifier } = await pushing();
  const { entry, by } = await receiver(EVENTS_URL);
  await streams.create({ entry, by }, PUSH);
  known.set(entry.entryId, { ...entry, disabled: true });
  await ended();
  await notifier.caughtUp();
  expect(pushed).toEqual([]);
  known.set(entry.entryId, entry);
  const change = { expectedRevision: entry.revision, closes: [], reason: "privilegeWithdrawn" } as const;
  done(await world.ledger.perform({ act: "put-entry", entry, ...change, by, now: clock.now() }));
  await expect.poll(() => pushed.length).toBe(1);
});

test.for([
  {
    what: "a URL that it is not registered with",
    delivery: { endpoint_url: "https://evil.example/events" },
    registered: true,
  },
  { what: "without being registered with any", delivery: {}, registered: false },
  { what: "with a secret", delivery: { authorization_header: "Bearer x" }, registered: true },
  { what: "in another way", delivery: { method: "urn:example:carrier-pigeon" }, registered: true },
])("a receiver can't have itself pushed to by $what", async ({ delivery, registered }) => {
  const { streams, receiver, outboxes } = await pushing();
  const one = await receiver(registered ? EVENTS_URL : undefined);
  const asked = { delivery: { method: "urn:ietf:rfc:8935", ...delivery } };
  await expect(streams.create(one, asked)).rejects.toMatchObject({ code: "INVALID_FIELD" });
  expect(outboxes.all()).toEqual([]);
});
