import "reflect-metadata";
import { X509Crl } from "@peculiar/x509";
import { expect, test } from "vitest";
import type { CrlKeeper } from "../../src/authority/crl.ts";
import { TAG } from "../../src/domain/der.ts";
import { parseDer, positiveOf } from "../../src/domain/der-reader.ts";
import { OPERATOR, present } from "../contract/ledger-world.ts";
import { NOW } from "../samples/credentials.ts";
import { type CrlScene, crlScene } from "./crl-scene.ts";

const REGULAR_MS = 50_000;

type Read = {
  readonly number: bigint;
  readonly thisUpdateS: number;
  readonly nextUpdateS: number;
  readonly serials: readonly string[];
  readonly reasons: readonly (number | undefined)[];
};

/** What a CRL says, by another parser than ours. */
function read(crls: CrlKeeper, authorityId?: string): Read {
  const crl = crls.current().find((one) => authorityId === undefined || one.authorityId === authorityId);
  const parsed = new X509Crl(Buffer.from(present(crl).der));
  const number = present(parsed.extensions.find((one) => one.type === "2.5.29.20"));
  expect(number.critical).toBe(false);
  const bytes = positiveOf(parseDer(new Uint8Array(number.value), TAG.integer));
  return {
    number: BigInt(`0x${Buffer.from(bytes).toString("hex")}`),
    thisUpdateS: parsed.thisUpdate.getTime() / 1_000,
    nextUpdateS: present(parsed.nextUpdate).getTime() / 1_000,
    serials: parsed.entries.map((entry) => entry.serialNumber.replace(/^(00)+/, "")),
    reasons: parsed.entries.map((entry) => entry.reason),
  };
}

/** Lets time pass, and what comes due be done to its end. */
async function pass(scene: CrlScene, ms: number): Promise<void> {
  await scene.notifier.caughtUp();
  scene.clock.advance(ms);
  // A publication has read, signed and put its next turn on the clock when nothing is left of it but that.
  await expect.poll(() => scene.clock.pending()).toBe(1);
}

test("the first CRL is there from the start, of nothing, for ten minutes", async () => {
  const scene = await crlScene(NOW);
  const { authorityId } = await scene.addAuthority();
  const crls = await scene.keep();
  expect(crls.current().map((one) => one.authorityId)).toEqual([authorityId]);
  expect(read(crls)).toMatchObject({ thisUpdateS: NOW - 10, nextUpdateS: NOW + 600, serials: [] });
});

test("a closed step's X.509-SVIDs are on the CRL within a second, with its reason", async () => {
  const scene = await crlScene(NOW);
  const authority = await scene.addAuthority();
  const crls = await scene.keep();
  const step = await scene.world.open(await scene.world.agent());
  const { serialNumber } = await scene.issue(step, authority);
  await scene.world.close(step, { state: "SUPERSEDED" });
  await pass(scene, 999);
  expect(read(crls)).toMatchObject({ serials: [serialNumber], reasons: [4] });
});

test("one that an operator takes back is on it within a second, for the reason given", async () => {
  const scene = await crlScene(NOW);
  const authority = await scene.addAuthority();
  const crls = await scene.keep();
  const { serialNumber } = await scene.issue(await scene.world.open(await scene.world.agent()), authority);
  const act = {
    act: "revoke-credential",
    credential: { serialNumber },
    reason: "keyCompromise",
    by: OPERATOR,
  } as const;
  await scene.world.ledger.perform({ ...act, now: scene.clock.now() });
  await pass(scene, 999);
  expect(read(crls)).toMatchObject({ serials: [serialNumber], reasons: [1] });
});

test("what is revoked while a CRL is made is on the next one, within a second too", async () => {
  const scene = await crlScene(NOW);
  const authority = await scene.addAuthority();
  let afterRead = async (): Promise<void> => undefined;
  const crls = await scene.keep({
    credentials: {
      async *revokedX509Svids(expiringAfter) {
        yield* scene.store.credentials.revokedX509Svids(expiringAfter);
        await afterRead();
      },
    },
  });
  const agent = await scene.world.agent();
  const [early, late] = [await scene.world.open(agent), await scene.world.open(agent)];
  const serials = [await scene.issue(early, authority), await scene.issue(late, authority)].map(
    (one) => one.serialNumber,
  );
  afterRead = async () => {
    afterRead = async () => undefined;
    await scene.world.close(late);
    await scene.notifier.caughtUp();
  };
  await scene.world.close(early);
  await pass(scene, 500);
  expect(read(crls).serials).toEqual(serials.slice(0, 1));
  await pass(scene, 500);
  expect(read(crls).serials.toSorted()).toEqual(serials.toSorted());
});

test("more than are read in one turn of the event loop are all on it, and others have their turn in between", async () => {
  const scene = await crlScene(NOW);
  const { authorityId } = await scene.addAuthority();
  const agent = await scene.world.agent();
  for (let count = 0; count < 1_200; count += 1) {
    const step = await scene.world.open(agent);
    await scene.world.issue(step, { kind: "x509-svid", authorityId });
    await scene.world.close(step);
  }
  let turns = 0;
  let next: NodeJS.Immediate;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  next = setImmediate(count);
  const crls = await scene.keep();
  clearImmediate(next);
  expect(read(crls).serials).toHaveLength(1_200);
  expect(turns).toBeGreaterThan(0);
});

test("a step that held tokens alone is no reason for another CRL", async () => {
  const scene = await crlScene(NOW);
  await scene.addAuthority();
  const crls = await scene.keep();
  const before = read(crls).number;
  const step = await scene.world.open(await scene.world.agent());
  await scene.world.issue(step);
  await scene.world.close(step);
  await pass(scene, 1_000);
  expect(read(crls).number).toBe(before);
});

test("without any revocation there is a new one each minute, with a larger number", async () => {
  const scene = await crlScene(NOW);
  await scene.addAuthority();
  const crls = await scene.keep();
  const numbers: bigint[] = [];
  for (let minute = 0; minute < 5; minute += 1) {
    const { number, thisUpdateS, nextUpdateS } = read(crls);
    numbers.push(number);
    expect(nextUpdateS - thisUpdateS).toBe(610);
    expect(scene.clock.now() / 1_000_000 - thisUpdateS).toBeLessThan(60);
    await pass(scene, REGULAR_MS);
  }
  expect(numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? 0n))).toBe(true);
});

test("the number grows over a restart, also when the clock was set back and the ledger went on", async () => {
  const before = await crlScene(NOW);
  await before.addAuthority();
  const first = read(await before.keep());
  const scene = await crlScene(NOW);
  await scene.addAuthority();
  await scene.world.agent();
  scene.clock.advance(-3_600_000);
  expect(scene.world.ledger.head().sequence).toBe(before.world.ledger.head().sequence + 1);
  expect(read(await scene.keep()).number).toBeGreaterThan(first.number);
});

test("the number grows over a restart in which nothing was recorded", async () => {
  const scene = await crlScene(NOW);
  await scene.addAuthority();
  const first = await scene.keep();
  const { number } = read(first);
  first.stop();
  scene.clock.advance(1);
  expect(read(await scene.keep()).number).toBeGreaterThan(number);
});

test("two CRLs of one instant have two numbers", async () => {
  const scene = await crlScene(NOW);
  await scene.addAuthority();
  const crls = await scene.keep();
  const first = read(crls).number;
  // The minute's is due at the same instant as this one.
  await pass(scene, REGULAR_MS);
  const second = read(crls).number;
  expect(second).toBeGreaterThan(first);
  expect(second.toString(2).length).toBeLessThanOrEqual(159);
});

test("an expired X.509-SVID stays on it until a CRL made after its end had it, and then leaves", async () => {
  const scene = await crlScene(NOW);
  const authority = await scene.addAuthority();
  const crls = await scene.keep();
  const step = await scene.world.open(await scene.world.agent());
  const { serialNumber } = await scene.issue(step, authority, 30);
  await scene.world.close(step);
  await pass(scene, 1_000);
  let wasOnOneAfterItsEnd = false;
  for (let turn = 0; turn < 6; turn += 1) {
    await pass(scene, REGULAR_MS);
    const { serials, thisUpdateS } = read(crls);
    if (!serials.includes(serialNumber)) break;
    wasOnOneAfterItsEnd ||= thisUpdateS > NOW + 30;
  }
  expect(wasOnOneAfterItsEnd).toBe(true);
  expect(read(crls).serials).toEqual([]);
});

test("what expired while the broker was down is on the first CRL of its next life", async () => {
  const scene = await crlScene(NOW);
  const authority = await scene.addAuthority();
  const step = await scene.world.open(await scene.world.agent());
  const { serialNumber } = await scene.issue(step, authority, 30);
  await scene.world.close(step);
  scene.clock.advance(500_000);
  expect(read(await scene.keep()).serials).toEqual([serialNumber]);
});

test("each X.509 authority of the bundle has its own, within a second of its coming, about its own alone", async () => {
  const scene = await crlScene(NOW);
  const first = await scene.addAuthority();
  const crls = await scene.keep();
  const second = await scene.addAuthority();
  const step = await scene.world.open(await scene.world.agent());
  const ofFirst = await scene.issue(step, first);
  const ofSecond = await scene.issue(step, second);
  await pass(scene, 999);
  expect(crls.current().map((one) => one.authorityId)).toEqual([first.authorityId, second.authorityId]);
  await scene.world.close(step);
  await pass(scene, 999);
  expect(read(crls, first.authorityId).serials).toEqual([ofFirst.serialNumber]);
  expect(read(crls, second.authorityId).serials).toEqual([ofSecond.serialNumber]);
  await scene.signer.destroy(first.authorityId);
  await pass(scene, REGULAR_MS);
  expect(crls.current().map((one) => one.authorityId)).toEqual([second.authorityId]);
});

test("while the ledger may have gone back nothing is published, and what was runs out; afterwards it goes on at once", async () => {
  const scene = await crlScene(NOW);
  await scene.addAuthority();
  const crls = await scene.keep();
  const { number } = read(crls);
  scene.doubt(true);
  for (let second = 0; second < 599; second += 1) await pass(scene, 1_000);
  expect(read(crls).number).toBe(number);
  await pass(scene, 1_000);
  expect(crls.current()).toEqual([]);
  scene.doubt(false);
  await pass(scene, 1_000);
  expect(read(crls).number).toBeGreaterThan(number);
});

test("a publication that failed is told of and tried again, the last CRL staying in force", async () => {
  const scene = await crlScene(NOW);
  await scene.addAuthority();
  const crls = await scene.keep();
  const { number } = read(crls);
  const [authority] = scene.authorities;
  const broken = { ...present(authority), certificate: Uint8Array.of(0x30, 0) };
  scene.authorities.splice(0, 1, broken);
  await pass(scene, REGULAR_MS);
  expect(scene.failures).toHaveLength(1);
  expect(read(crls).number).toBe(number);
  scene.authorities.splice(0, 1, present(authority));
  await pass(scene, 1_000);
  expect(read(crls).number).toBeGreaterThan(number);
  expect(scene.failures).toHaveLength(1);
});

test("once stopped it leaves nothing behind on the clock", async () => {
  const scene = await crlScene(NOW);
  await scene.addAuthority();
  const crls = await scene.keep();
  crls.stop();
  expect(scene.clock.pending()).toBe(0);
  await scene.addAuthority();
  expect(scene.clock.pending()).toBe(0);
});
