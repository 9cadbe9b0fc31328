import { inflateSync } from "node:zlib";
import { createLocalJWKSet, jwtVerify } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { systemDeflate } from "../../src/adapters/system/system-deflate.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { keepStatusLists, type StatusListsPorts } from "../../src/authority/status-lists.ts";
import { plainJwks } from "../../src/domain/bundle.ts";
import { isValidAt, type TokenStatus } from "../../src/domain/status-list.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { done, OPERATOR, present, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { NOW, TRUST_DOMAIN } from "../samples/credentials.ts";

const ISSUER = "https://stint.example.org";

async function scene() {
  const clock = virtualClock(NOW);
  const randomness = systemRandomness();
  const failures: unknown[] = [];
  const failed = (thrown: unknown) => void failures.push(thrown);
  const store = await openMemoryLedger({ clock, randomness, failed });
  onTestFinished(() => store.close());
  const world = worldOf(store, { clock, randomness });
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness });
  const key = await signer.create("events", { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) });
  let isDoubted = false;
  let signatures = 0;

  async function keep(own: Partial<StatusListsPorts> = {}) {
    const lists = await keepStatusLists({
      ledger: store.ledger,
      credentials: store.credentials,
      authorities: { active: (family) => (family === "events" ? key : undefined) },
      signer: {
        signStatusList(authorityId, facts) {
          signatures += 1;
          return signer.signStatusList(authorityId, facts);
        },
      },
      deflate: systemDeflate(),
      clock,
      issuer: ISSUER,
      ledgerIsDoubted: () => isDoubted,
      ...own,
    });
    onTestFinished(() => lists.following.end());
    return lists;
  }

  /** What a verifier reads that knows of Stint only where its keys are. */
  async function read(token: string | undefined) {
    const keys = createLocalJWKSet({ keys: [...plainJwks([key], "events").keys] });
    const currentDate = new Date(secondsOf(clock.now()) * 1_000);
    const options = { typ: "statuslist+jwt", algorithms: ["ES256"], issuer: ISSUER, currentDate };
    const { payload } = await jwtVerify(present(token), keys, options);
    const { bits, lst } = payload["status_list"] as { readonly bits: number; readonly lst: string };
    expect(bits).toBe(1);
    const unpacked = inflateSync(Buffer.from(lst, "base64url"));
    return { payload, bytes: unpacked.length, valid: (index: number) => isValidAt(unpacked, index) };
  }

  const issue = async (status: TokenStatus, step?: Parameters<typeof world.issue>[0]) => {
    const of = step ?? (await world.open(await world.agent()));
    return { step: of, jti: present((await world.issue(of, { status })).jti) };
  };

  return {
    ...{ clock, store, world, keep, read, issue },
    signatures: () => signatures,
    failures,
    doubt(is: boolean) {
      isDoubted = is;
    },
  };
}

test("a list says of itself what the standard asks, and of a living token that it is valid", async () => {
  const { keep, read, issue } = await scene();
  const lists = await keep();
  await issue({ list: "a", index: 7 });
  const { payload, bytes, valid } = await read(await lists.token("a"));
  const uri = `${ISSUER}/status/a`;
  expect(payload).toMatchObject({ iss: ISSUER, sub: uri, iat: NOW, exp: NOW + 60, ttl: 5 });
  expect(bytes).toBe(16_384);
  expect(valid(7)).toBe(true);
});

test("a close that has returned is in the list that is asked for next, and so is one token that was taken back", async () => {
  const { keep, read, issue, world, clock } = await scene();
  const lists = await keep();
  const { step } = await issue({ list: "a", index: 7 });
  const other = await issue({ list: "a", index: 8 });
  const kept = await issue({ list: "a", index: 9 });
  await read(await lists.token("a"));
  await world.close(step);
  const first = await read(await lists.token("a"));
  expect([7, 8, 9].map(first.valid)).toEqual([false, true, true]);
  const act = { act: "revoke-credential", credential: { jti: other.jti }, reason: "keyCompromise" } as const;
  done(await world.ledger.perform({ ...act, by: OPERATOR, now: clock.now() }));
  const second = await read(await lists.token("a"));
  expect([7, 8, 9].map(second.valid)).toEqual([false, false, true]);
  expect(kept.step.state).toBe("OPEN");
});

test("after a restart the lists are those that were, with all that was revoked before, and before it was there", async () => {
  const { keep, read, issue, world } = await scene();
  const { step } = await issue({ list: "a", index: 7 });
  await issue({ list: "b", index: 7 });
  await world.close(step);
  const lists = await keep();
  expect((await read(await lists.token("a"))).valid(7)).toBe(false);
  expect((await read(await lists.token("b"))).valid(7)).toBe(true);
});

test("there is no list that no token names, nor one whose tokens have all expired", async () => {
  const { keep, issue, clock } = await scene();
  const lists = await keep();
  await issue({ list: "a", index: 1 });
  expect(await lists.token("b")).toBe(undefined);
  clock.advance((600 + 3_600 + 9) * 1_000);
  expect(await lists.token("a")).toBeTypeOf("string");
  clock.advance(1_000);
  expect(await lists.token("a")).toBe(undefined);
});

test("however many ask, a list is signed once a second, and at once when it has changed", async () => {
  const { keep, issue, world, clock, signatures } = await scene();
  const lists = await keep();
  const { step } = await issue({ list: "a", index: 1 });
  const tokens = await Promise.all(Array.from({ length: 50 }, () => lists.token("a")));
  expect(new Set(tokens).size).toBe(1);
  expect(signatures()).toBe(1);
  await world.close(step);
  await lists.token("a");
  expect(signatures()).toBe(2);
  clock.advance(999);
  await lists.token("a");
  expect(signatures()).toBe(2);
  clock.advance(1);
  await lists.token("a");
  expect(signatures()).toBe(3);
});

test("nothing is said while the ledger may not know of all that was revoked, or can't be read", async () => {
  const { keep, issue, world, doubt, store, clock, failures } = await scene();
  let fails = false;
  const lists = await keep({
    credentials: {
      ...store.credentials,
      async *statusesRevokedBetween(after, through) {
        if (fails) throw new TypeError("the disk is gone");
        yield* store.credentials.statusesRevokedBetween(after, through);
      },
    },
  });
  const { step } = await issue({ list: "a", index: 1 });
  doubt(true);
  await expect(lists.token("a")).rejects.toMatchObject({ code: "NOT_SERVING" });
  doubt(false);
  await lists.token("a");
  fails = true;
  await world.close(step);
  await expect.poll(() => failures.length).toBe(1);
  const refused = expect(lists.token("a")).rejects.toMatchObject({ code: "NOT_SERVING" });
  clock.advance(2_000);
  await refused;
});

test("a signature that failed is asked for anew", async () => {
  const { keep, issue, read } = await scene();
  let fails = true;
  const lists = await keep({
    async deflate(bytes) {
      if (fails) throw new TypeError("no memory");
      return systemDeflate()(bytes);
    },
  });
  await issue({ list: "a", index: 1 });
  await expect(lists.token("a")).rejects.toThrow("no memory");
  fails = false;
  await read(await lists.token("a"));
});
