import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseSpiffeId } from "../../../src/domain/spiffe-id.ts";
import {
  certificateKey,
  createDenyList,
  type DenyKey,
  type DenyListEntry,
  jwtKey,
  spiffeIdHashKey,
  spiffeIdKey,
  stepKey,
} from "../../../src/sdk/verifier/deny-list.ts";

const keys: fc.Arbitrary<DenyKey> = fc.nat(9).map((number) => stepKey(`step_${number}`));
const entries: fc.Arbitrary<DenyListEntry> = fc.record({
  keys: fc.uniqueArray(keys, { minLength: 1, maxLength: 2 }),
  reason: fc.constantFrom("cessationOfOperation", "superseded", "privilegeWithdrawn"),
  state: fc.constantFrom("COMPLETED", "REVOKED", undefined),
  sequence: fc.bigInt({ min: 1n, max: 5n }),
  forgetAfterMs: fc.oneof(fc.nat(1_000), fc.constant(Number.POSITIVE_INFINITY)),
});
const feeds = fc.array(entries, { maxLength: 30 });

function contents(list: ReturnType<typeof createDenyList>): unknown {
  return Array.from({ length: 10 }, (_, number) => {
    const entry = list.find([stepKey(`step_${number}`)]);
    return entry === undefined ? undefined : { ...entry, keys: undefined };
  });
}

test("nothing is forgotten before its time, whatever is added, repeated and swept in between", () => {
  const acts = fc.array(fc.oneof(entries, fc.nat(1_000)), { maxLength: 60 });
  fc.assert(
    fc.property(acts, (list) => {
      const denyList = createDenyList();
      const latest = new Map<DenyKey, number>();
      let nowMs = 0;
      for (const act of list) {
        if (typeof act === "number") {
          nowMs = act;
          denyList.forget(nowMs);
          for (const [key, forgetAfterMs] of latest) if (forgetAfterMs <= nowMs) latest.delete(key);
        } else {
          denyList.add([act]);
          for (const key of act.keys) latest.set(key, Math.max(latest.get(key) ?? 0, act.forgetAfterMs));
        }
        for (const [key, forgetAfterMs] of latest) {
          expect(denyList.find([key])?.forgetAfterMs).toBe(forgetAfterMs);
        }
        expect(denyList.size).toBe(latest.size);
      }
    }),
  );
});

test("a snapshot and what follows it make the same list as the whole feed from its start", () => {
  fc.assert(
    fc.property(feeds, fc.nat(30), fc.nat(30), (feed, cut, from) => {
      const whole = createDenyList();
      whole.add(feed);
      // A snapshot holds everything up to where it was taken; the tail may begin anywhere before that.
      const resumed = createDenyList();
      resumed.add(feed.slice(0, cut));
      resumed.add(feed.slice(Math.min(from, cut)));
      expect(contents(resumed)).toEqual(contents(whole));
    }),
  );
});

test("the order in which denials come, and how often, makes no difference", () => {
  const shuffled = feeds.chain((feed) =>
    fc.tuple(fc.constant(feed), fc.shuffledSubarray(feed, { minLength: feed.length })),
  );
  fc.assert(
    fc.property(shuffled, ([feed, other]) => {
      const one = createDenyList();
      for (const entry of feed) one.add([entry]);
      const two = createDenyList();
      two.add(other);
      two.add(other.slice(0, 5));
      expect(contents(two)).toEqual(contents(one));
    }),
  );
});

test("only what was not denied before is told of", () => {
  const denyList = createDenyList();
  const entry: DenyListEntry = {
    keys: [stepKey("step_1"), stepKey("step_2")],
    reason: "superseded",
    state: "SUPERSEDED",
    sequence: 1n,
    forgetAfterMs: 10,
  };
  expect(denyList.add([entry])).toEqual(entry.keys);
  expect(denyList.add([entry, { ...entry, keys: [stepKey("step_2"), stepKey("step_3")] }])).toEqual([
    stepKey("step_3"),
  ]);
});

test("a step is found by the hash of its SPIFFE ID", () => {
  const id = "spiffe://example.org/agent/a/run/r/step/s/1";
  const sha256 = createHash("sha256").update(id).digest("hex");
  expect(spiffeIdKey(parseSpiffeId(id))).toBe(spiffeIdHashKey(sha256));
});

test("two names never run together into one", () => {
  const texts = fc.string({ maxLength: 3, unit: fc.constantFrom("a", ":", "1", "2") });
  fc.assert(
    fc.property(texts, texts, texts, texts, (issuer, jti, otherIssuer, otherJti) => {
      fc.pre(issuer !== otherIssuer || jti !== otherJti);
      expect(jwtKey(issuer, jti)).not.toBe(jwtKey(otherIssuer, otherJti));
    }),
  );
  expect(certificateKey(Buffer.from([0x30, 0]), "0a")).not.toBe(certificateKey(Buffer.from([0x30, 1]), "0a"));
  expect(
    new Set([stepKey("x"), spiffeIdHashKey("x"), jwtKey("", "x"), certificateKey(Buffer.from([]), "x")]).size,
  ).toBe(4);
});
