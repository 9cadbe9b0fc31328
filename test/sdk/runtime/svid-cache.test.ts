import { describe, expect, test } from "vitest";
import { createSvidCache, type Mint } from "../../../src/sdk/runtime/svid-cache.ts";

const TTL_MS = 120_000;

/** A cache, its clock, and a mint that counts. */
function setUp() {
  let now = 1_000_000;
  const urgencies: string[] = [];
  const failures: Error[] = [];
  const cache = createSvidCache<{ expiresAt: Date; id: number }>({
    now: () => now,
    isPassing: (thrown) => thrown instanceof Error && thrown.message === "away",
  });
  const mint: Mint<{ expiresAt: Date; id: number }> = async (urgency) => {
    const id = urgencies.push(urgency);
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
    return { expiresAt: new Date(now + TTL_MS), id };
  };
  return { cache, mint, urgencies, failures, sleep: (ms: number) => (now += ms), get: () => cache.get("a", mint) };
}

describe("a credential", () => {
  test("is minted once for all that come while it is minted", async () => {
    const { get, urgencies } = setUp();
    const svids = await Promise.all([get(), get(), get()]);
    expect(svids.map(({ id }) => id)).toEqual([1, 1, 1]);
    expect(urgencies).toEqual(["needed"]);
  });

  test.for([
    { when: "just before two thirds of its life", ageMs: 79_999, id: 1 },
    { when: "at two thirds of its life", ageMs: 80_000, id: 2 },
    { when: "after its expiry", ageMs: 200_000, id: 2 },
    { when: "when the clock was set back", ageMs: -1, id: 2 },
  ])("$when is number $id", async ({ ageMs, id }) => {
    const { get, sleep } = setUp();
    await get();
    sleep(ageMs);
    expect((await get()).id).toBe(id);
  });

  test("is given on while the broker is away, asked for without insisting", async () => {
    const { get, sleep, failures, urgencies } = setUp();
    await get();
    sleep(100_000);
    failures.push(new Error("away"));
    expect((await get()).id).toBe(1);
    expect((await get()).id).toBe(3);
    expect(urgencies).toEqual(["needed", "spare", "spare"]);
  });

  test("that is about to expire is not given on", async () => {
    const { get, sleep, failures } = setUp();
    await get();
    sleep(TTL_MS - 1_999);
    failures.push(new Error("away"));
    await expect(get()).rejects.toThrow("away");
  });

  test("is not given on when the broker refuses another", async () => {
    const { get, sleep, failures } = setUp();
    await get();
    sleep(100_000);
    failures.push(new Error("closed"));
    await expect(get()).rejects.toThrow("closed");
  });

  test("that was rejected is replaced, once for all who hold the rejected one", async () => {
    const { cache, mint, get } = setUp();
    const first = await get();
    const again = await Promise.all([cache.get("a", mint, first), cache.get("a", mint, first)]);
    expect(again.map(({ id }) => id)).toEqual([2, 2]);
    expect((await cache.get("a", mint, first)).id).toBe(2);
  });

  test("whose minting failed is asked for again", async () => {
    const { get, failures } = setUp();
    failures.push(new Error("away"));
    await expect(get()).rejects.toThrow("away");
    expect((await get()).id).toBe(2);
  });

  test("of one key is not one of another", async () => {
    const { cache, mint, get } = setUp();
    await get();
    expect((await cache.get("b", mint)).id).toBe(2);
    expect((await get()).id).toBe(1);
  });

  test("is let go of when 256 others came after it", async () => {
    const { cache, mint, get } = setUp();
    await get();
    for (let key = 0; key < 256; key += 1) await cache.get(String(key), mint);
    expect((await get()).id).toBe(258);
  });
});

describe("the credential after another", () => {
  test("is a new one, however long the other holds, and is what is at hand from then on", async () => {
    const { cache, mint, get, urgencies } = setUp();
    const first = await get();
    expect((await cache.after(first, "a", mint)).id).toBe(2);
    expect((await get()).id).toBe(2);
    expect(urgencies).toEqual(["needed", "spare"]);
  });

  test("is the one at hand where that is another already, or the one that is being minted", async () => {
    const { cache, mint, get } = setUp();
    const first = await get();
    const [second, same] = await Promise.all([cache.after(first, "a", mint), cache.after(first, "a", mint)]);
    expect([second.id, same.id, (await cache.after(first, "a", mint)).id]).toEqual([2, 2, 2]);
  });

  test("leaves the other at hand where it is refused, and says so", async () => {
    const { cache, mint, get, failures } = setUp();
    const first = await get();
    failures.push(new Error("away"));
    await expect(cache.after(first, "a", mint)).rejects.toThrow("away");
    expect((await get()).id).toBe(1);
  });

  test("is not the other, which somebody who came at the same time was content with", async () => {
    const { cache, mint, get, failures, sleep } = setUp();
    const first = await get();
    sleep(100_000);
    failures.push(new Error("away"));
    const [kept, next] = await Promise.all([get(), cache.after(first, "a", mint)]);
    expect([kept.id, next.id]).toEqual([1, 3]);
  });
});
