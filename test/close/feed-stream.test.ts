import { expect, test } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import type { KeptDenial } from "../../src/close/denials-in-force.ts";
import { createFeedStream } from "../../src/close/feed-stream.ts";
import { parseBundleJson, plainJwks, tokenKeysIn } from "../../src/domain/bundle.ts";
import { addSeconds, microsOf } from "../../src/domain/time.ts";
import { verifyFeedMessage } from "../../src/verify/feed-message-token.ts";
import { verificationKeysOf } from "../../src/verify/verification-keys.ts";
import { memoryFeedBus } from "../memory/memory-feed-bus.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { NOW, TRUST_DOMAIN } from "../samples/credentials.ts";

const ISSUER = "https://stint.example.org";

/** A stream of denials that the test makes: each is its number, in two bytes. */
async function scene(sequences: readonly number[] = []) {
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: systemRandomness() });
  const key = await signer.create("events", { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) });
  const denials: KeptDenial<Uint8Array>[] = [];
  const list = { denials, through: 0 };
  const deny = (...of: readonly number[]) => {
    for (const sequence of of) {
      const form = Buffer.alloc(2);
      form.writeUInt16BE(denials.length);
      denials.push({
        ...{ sequence, form, latestExpiry: addSeconds(NOW, 100) },
        ...{ audiences: [], concernsAll: true, runEntryId: "" },
      });
      list.through = sequence;
    }
  };
  deny(...sequences);
  const bus = memoryFeedBus();
  const again = () =>
    createFeedStream({
      ...{ bus, issuer: ISSUER },
      denyList: { ready: async () => undefined, list: () => list },
      ledger: { head: () => ({ epoch: "e1", sequence: list.through }) } as never,
      authorities: { all: () => [key] },
      clock: { now: () => microsOf(NOW) },
      sign: (facts) => signer.signFeedMessage(key.authorityId, facts),
      rolledBack: (why) => expect.unreachable(why),
    });
  const stream = again();
  const keys = verificationKeysOf(
    tokenKeysIn(parseBundleJson(JSON.stringify(plainJwks([key], "events")), "events"), "sig", "events"),
  );
  const read = (text: string) => {
    const message = verifyFeedMessage(text, { keys, issuer: ISSUER });
    if (message.kind === "heartbeat") throw new Error("a heartbeat was kept");
    const { length } = message.denials;
    const numbers = Array.from({ length: length / 2 }, (_, at) => Buffer.from(message.denials).readUInt16BE(at * 2));
    return { ...message, numbers };
  };
  return { ...{ bus, stream, again, deny, denials, list }, kept: () => bus.kept.map(({ text }) => read(text)), read };
}

const times = (count: number, sequence: number) => Array.from({ length: count }, () => sequence);
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

test("a large deny-list begins a stream in parts, each denial in one of them", async () => {
  const { stream, kept } = await scene([...times(1_500, 7), ...times(1_000, 9)]);
  expect(await stream.tellNew()).toEqual({ epoch: "e1", through: 9 });
  expect(kept()).toMatchObject([1, 2, 3].map((part) => ({ kind: "snapshot", part, parts: 3, through: 9 })));
  expect(kept().flatMap(({ numbers }) => numbers)).toEqual(upTo(2_500));
});

test("an end of many is told in several messages, of which the last alone is through with it", async () => {
  const { stream, kept, deny } = await scene([3]);
  await stream.tellNew();
  deny(...times(1, 5), ...times(2_300, 8), ...times(1, 11));
  await stream.tellNew();
  expect(kept().map((message) => [message.kind, message.through])).toEqual([
    ["snapshot", 3],
    ["denied", 7],
    ["denied", 7],
    ["denied", 11],
  ]);
  expect(kept().map((message) => ("from" in message ? message.from : undefined))).toEqual([undefined, 3, 7, 7]);
  expect(kept().flatMap(({ numbers }) => numbers)).toEqual(upTo(2_303));
});

test("a stream that goes on covers what it may have lost, though that denies nothing any more", async () => {
  const { stream, again, kept, list } = await scene([3]);
  await stream.tellNew();
  // Told and lost by the bus, and forgotten here meanwhile.
  list.through = 5;
  expect(await again().tellNew()).toEqual({ epoch: "e1", through: 5 });
  expect(kept()).toMatchObject([{ kind: "snapshot" }, { kind: "denied", from: 3, through: 5, numbers: [] }]);
});

test("a stream that grows long begins anew with what is in force; who reads it misses nothing told meanwhile", async () => {
  const { stream, kept, deny, denials, bus } = await scene([1, ...times(1_100, 2)]);
  const heard: string[] = [];
  bus.listen((_, text) => void heard.push(text));
  await stream.tellNew();
  let sequence = 2;
  while (bus.kept[0]?.place === 1) {
    sequence += 1;
    deny(sequence);
    await stream.tellNew();
    if (sequence > 1_100) expect.unreachable("the stream is not begun anew");
  }
  const [first, ...others] = kept();
  expect(first).toMatchObject({ kind: "snapshot", part: 1, parts: 3, through: sequence });
  expect(others.map(({ kind }) => kind)).toEqual(["snapshot", "snapshot"]);
  expect(new Set(kept().flatMap(({ numbers }) => numbers))).toEqual(new Set(upTo(denials.length)));
  // Who listens was told each once, and nothing of the deny-list for those who begin.
  expect(heard).toHaveLength(sequence - 2);
  deny(sequence + 1);
  expect((await stream.tellNew()).through).toBe(sequence + 1);
  expect(kept().at(-1)).toMatchObject({ kind: "denied", from: sequence, through: sequence + 1 });
});

test("denials that come between two parts of a deny-list are told before the next part", async () => {
  const { stream, kept, deny, bus } = await scene([1, ...times(1_100, 2)]);
  await stream.tellNew();
  for (let sequence = 3; sequence <= 1_002; sequence += 1) {
    deny(sequence);
    await stream.tellNew();
  }
  const append = bus.append;
  let isFirst = true;
  bus.append = async (kind, text, after) => {
    const place = await append(kind, text, after);
    if (kind === "snapshot" && isFirst) {
      isFirst = false;
      deny(1_004);
    }
    return place;
  };
  deny(1_003);
  expect((await stream.tellNew()).through).toBe(1_004);
  expect(kept().map(({ kind, through }) => [kind, through])).toEqual([
    ["snapshot", 1_003],
    ["denied", 1_004],
    ["snapshot", 1_003],
    ["snapshot", 1_003],
  ]);
});
