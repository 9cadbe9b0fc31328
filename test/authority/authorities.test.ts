import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Authorities, type AuthoritiesPorts, openAuthorities } from "../../src/authority/authorities.ts";
import type { Authority } from "../../src/domain/authority.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { secondsOf } from "../../src/domain/time.ts";
import type { Signer } from "../../src/ports/signer.ts";
import { OPERATOR, ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";

const DAY_SECONDS = 86_400;
const FAMILIES = ["x509-svid", "jwt-svid", "wit-svid", "txn-token"] as const;

let world: World;
let signer: Signer;
const running: Authorities[] = [];
/** How often whoever sends bundles was told. */
let changes: number;

beforeEach(async () => {
  const given = ports();
  const store = await openMemoryLedger(given);
  world = worldOf(store, given);
  signer = memorySigner({ trustDomain: parseTrustDomain("example.org"), randomness: given.randomness });
  changes = 0;
});
afterEach(async () => {
  for (const authorities of running.splice(0)) authorities.stop();
  // A look at what is due may be under way.
  await new Promise((resolve) => setImmediate(resolve));
  await world.store.close();
});

/** Of a broker that starts on what there is. */
async function started(own: Partial<AuthoritiesPorts> = {}): Promise<Authorities> {
  const { store, clock } = world;
  const authorities = await openAuthorities({
    ledger: store.ledger,
    projections: store.projections,
    signer,
    clock,
    lifetimeSeconds: {
      "x509-svid": 365 * DAY_SECONDS,
      "jwt-svid": 30 * DAY_SECONDS,
      "wit-svid": 30 * DAY_SECONDS,
      "txn-token": 30 * DAY_SECONDS,
    },
    inForce: () => Promise.resolve(),
    failed: (error) => expect.unreachable(String(error)),
    ...own,
  });
  authorities.onChange(() => {
    changes += 1;
  });
  running.push(authorities);
  return authorities;
}

const idsOf = (list: readonly Authority[]) => list.map(({ authorityId }) => authorityId).toSorted();
const activeOf = (authorities: Authorities) => FAMILIES.map((family) => authorities.active(family)?.authorityId);

/** What `stint ledger accept-restore` does to the ledger before the keys are replaced. */
async function beginEpoch(): Promise<void> {
  const { ledger, clock, id } = world;
  await ledger.perform({ act: "start-epoch", epoch: id("epoch"), reason: "restored", by: OPERATOR, now: clock.now() });
}

describe("the first start", () => {
  test("makes one authority for each family it signs with, and records its public part alone", async () => {
    const authorities = await started();
    expect(authorities.all().map(({ family, state }) => [family, state])).toEqual([
      ["x509-svid", "active"],
      ["jwt-svid", "active"],
      ["wit-svid", "active"],
      ["txn-token", "active"],
    ]);
    for (const family of FAMILIES) expect(authorities.active(family)?.family).toBe(family);
    expect(idsOf(await world.authorities())).toEqual(idsOf(authorities.all()));
    const events = await world.store.history.events({ type: "authority.put", limit: 10 });
    expect(events).toHaveLength(FAMILIES.length);
    for (const { canonical } of events) expect(Buffer.from(canonical).toString()).not.toMatch(/private/i);
  });

  test("makes them valid from a minute ago for as long as was configured", async () => {
    const authorities = await started();
    const now = secondsOf(world.clock.now());
    expect(authorities.active("jwt-svid")).toMatchObject({
      notBefore: now - 60,
      expiresAt: now + 30 * DAY_SECONDS,
    });
    expect(authorities.active("x509-svid")).toMatchObject({ expiresAt: now + 365 * DAY_SECONDS });
  });

  test("has keys of their own for each family", async () => {
    const authorities = await started();
    const digests = authorities.all().map(({ publicKey }) => createHash("sha256").update(publicKey).digest("hex"));
    expect(new Set(digests).size).toBe(FAMILIES.length);
  });
});

describe("the key for events", () => {
  const lifetimeSeconds = { "x509-svid": 9e6, "jwt-svid": 9e6, "wit-svid": 9e6, "txn-token": 9e6 };

  test("is there where it is asked for, follows the life of all keys, and is removed where it is no more", async () => {
    const first = await started({ lifetimeSeconds: { ...lifetimeSeconds, events: 30 * DAY_SECONDS } });
    const { authorityId = "" } = first.active("events") ?? {};
    expect(first.active("events")).toMatchObject({ family: "events", state: "active" });
    first.stop();
    const second = await started({ lifetimeSeconds });
    expect(second.active("events")).toBe(undefined);
    expect(second.all().map(({ family }) => family)).toEqual(FAMILIES);
    expect(signer.holds(authorityId)).toBe(false);
  });

  test("is another in a new epoch", async () => {
    const authorities = await started({ lifetimeSeconds: { ...lifetimeSeconds, events: 30 * DAY_SECONDS } });
    const before = authorities.active("events")?.authorityId;
    await beginEpoch();
    await authorities.replaceAll();
    expect(authorities.active("events")?.authorityId).toBeTypeOf("string");
    expect(authorities.active("events")?.authorityId).not.toBe(before);
  });
});

describe("a later start", () => {
  test("finds what there is and makes nothing", async () => {
    const first = await started();
    const { sequence } = world.ledger.head();
    const second = await started();
    expect(activeOf(second)).toEqual(activeOf(first));
    expect(world.ledger.head().sequence).toBe(sequence);
  });

  test("makes another where the key is lost, and no longer shows the one that nobody can sign with", async () => {
    const first = await started();
    const lost = first.active("jwt-svid");
    await signer.destroy(lost?.authorityId ?? "");
    expect(first.active("jwt-svid")).toBeUndefined();
    const second = await started();
    expect(second.active("jwt-svid")?.authorityId).not.toBe(lost?.authorityId);
    expect(second.active("x509-svid")).toEqual(first.active("x509-svid"));
    expect(idsOf(second.all())).not.toContain(lost?.authorityId);
  });

  test("makes another where the one there is has expired; verifiers are shown both", async () => {
    const first = await started();
    first.stop();
    world.clock.advance(30 * DAY_SECONDS * 1_000);
    expect(first.active("jwt-svid")).toBeUndefined();
    const second = await started();
    expect(second.active("jwt-svid")?.expiresAt).toBe(secondsOf(world.clock.now()) + 30 * DAY_SECONDS);
    expect(second.all()).toHaveLength(FAMILIES.length + 3);
  });
});

test("an authority signs up to its expiry, which it excludes", async () => {
  const authorities = await started();
  world.clock.advance(30 * DAY_SECONDS * 1_000 - 1_000);
  expect(authorities.active("jwt-svid")).toBeDefined();
  world.clock.advance(1_000);
  expect(authorities.active("jwt-svid")).toBeUndefined();
});

describe("replacing all, for an epoch that begins", () => {
  test("leaves nothing that was signed before verifiable: new keys are shown, and they alone", async () => {
    const authorities = await started();
    const before = idsOf(authorities.all());
    await beginEpoch();
    await authorities.replaceAll();
    const after = idsOf(authorities.all());
    expect(after).toHaveLength(FAMILIES.length);
    expect(after.filter((id) => before.includes(id))).toEqual([]);
    expect(activeOf(authorities).toSorted()).toEqual(after);
    for (const id of before) expect(signer.holds(id)).toBe(false);
  });

  test("is for good: a start after it does not bring the old ones back", async () => {
    const authorities = await started();
    await beginEpoch();
    await authorities.replaceAll();
    const again = await started();
    expect(idsOf(again.all())).toEqual(idsOf(authorities.all()));
    const recorded = await world.authorities();
    expect(recorded.filter(({ state }) => state === "removed")).toHaveLength(FAMILIES.length);
  });

  test.for([
    { cut: "right after the epoch has begun", destroyed: 0 },
    { cut: "with one key destroyed", destroyed: 1 },
  ])("that a crash cuts short $cut is finished by the next start", async ({ destroyed }) => {
    const authorities = await started();
    const before = authorities.all();
    await beginEpoch();
    for (const { authorityId } of before.slice(0, destroyed)) await signer.destroy(authorityId);
    const again = await started();
    expect(idsOf(again.all()).filter((id) => idsOf(before).includes(id))).toEqual([]);
    for (const { authorityId } of before) expect(signer.holds(authorityId)).toBe(false);
    expect(activeOf(again).every((id) => id !== undefined)).toBe(true);
  });

  test("is told, and moves the bundle's sequence forward", async () => {
    const authorities = await started();
    const { bundleSequence } = authorities;
    const [sequence, told] = [bundleSequence(), changes];
    await authorities.replaceAll();
    expect(bundleSequence()).toBeGreaterThan(sequence);
    expect(changes).toBeGreaterThan(told);
    expect((await started()).bundleSequence()).toBeGreaterThanOrEqual(bundleSequence());
  });
});

test("an authority that could not be recorded is not used", async () => {
  const { ledger } = world.store;
  const refuse = () => Promise.reject(new BrokerError("LEDGER_UNAVAILABLE", "the disk is full"));
  await expect(started({ ledger: { ...ledger, perform: refuse } })).rejects.toMatchObject({
    code: "LEDGER_UNAVAILABLE",
  });
  expect(await world.authorities()).toEqual([]);
});
