import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { systemKeyPairs } from "../../src/adapters/system/system-key-pairs.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { parseSegment } from "../../src/domain/spiffe-id.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import type { OwnSvid } from "../../src/issue/own-svid.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { startBroker, TRUST_DOMAIN } from "../simulation/broker.ts";
import { createKernel } from "../simulation/kernel.ts";

const START = 1_795_341_600 as UnixSeconds;

async function setUp() {
  const clock = virtualClock(START);
  const random = systemRandomness();
  const failures: unknown[] = [];
  const store = await openMemoryLedger({ clock, randomness: random });
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: random });
  const faults = { isSignerUnavailable: false };
  const broker = await startBroker({
    store,
    signer: {
      ...signer,
      signSvid: (recorded) =>
        faults.isSignerUnavailable ? Promise.reject(new Error("no signature")) : signer.signSvid(recorded),
    },
    kernel: createKernel(),
    clock,
    random,
    failed: (error) => void failures.push(error),
  });
  const name = parseSegment("server", "name");
  await broker.registry.create({ kind: "server", name, selectors: [] }, "config", { kind: "broker", cause: "config" });
  const own = broker.ownSvid(systemKeyPairs());
  onTestFinished(async () => {
    own.stop();
    broker.stop();
    await store.close();
  });
  return { clock, store, broker, own, faults, failures };
}

function certificateOf(own: OwnSvid): X509Certificate {
  return new X509Certificate(own.current()?.delivery.svid ?? new Uint8Array());
}

/** Lets time pass, and whatever it set off come to rest. */
async function pass(clock: ReturnType<typeof virtualClock>, seconds: number, own: OwnSvid): Promise<void> {
  const changed = new Promise<void>((resolve) => {
    const end = own.onChange(() => {
      end();
      resolve();
    });
  });
  clock.advance(seconds * 1_000);
  await changed;
}

test("the broker has an SVID of its own, recorded under its entry, whose key it holds", async () => {
  const { clock, store, own } = await setUp();
  expect(own.current()).toBeUndefined();
  await own.start();
  const certificate = certificateOf(own);
  expect(certificate.subjectAltName).toBe("URI:spiffe://example.org/stint/server");
  const key = createPrivateKey({
    key: Buffer.from(own.current()?.key.privateKey ?? []),
    format: "der",
    type: "pkcs8",
  });
  expect(createPublicKey(key).equals(certificate.publicKey)).toBe(true);
  const [row] = await store.history.issuances({ limit: 1, now: clock.now() });
  expect(row).toMatchObject({ subject: { kind: "infrastructure" }, spiffeId: "spiffe://example.org/stint/server" });
});

test("it is replaced at half of its life, by another key", async () => {
  const { clock, own } = await setUp();
  await own.start();
  const first = certificateOf(own);
  clock.advance(149_000);
  await new Promise((resolve) => setImmediate(resolve));
  expect(certificateOf(own).serialNumber).toBe(first.serialNumber);
  await pass(clock, 1, own);
  const second = certificateOf(own);
  expect(second.publicKey.equals(first.publicKey)).toBe(false);
  expect(Date.parse(second.validTo)).toBe(Date.parse(first.validTo) + 150_000);
});

test("while no other can be issued it keeps the one it has to its end, and no longer; then the next that can be", async () => {
  const { clock, own, faults, failures } = await setUp();
  await own.start();
  const { serialNumber } = certificateOf(own);
  faults.isSignerUnavailable = true;
  clock.advance(150_000);
  await expect.poll(() => failures.length).toBeGreaterThan(0);
  expect(certificateOf(own).serialNumber).toBe(serialNumber);
  clock.advance(150_000);
  expect(own.current()).toBeUndefined();
  faults.isSignerUnavailable = false;
  await expect
    .poll(() => {
      clock.advance(5_000);
      return own.current();
    })
    .toBeDefined();
  expect(certificateOf(own).serialNumber).not.toBe(serialNumber);
});

test("once it is stopped nothing is issued any more, at no time and for no change of authorities", async () => {
  const { broker, clock, store, own } = await setUp();
  await own.start();
  own.stop();
  const { sequence } = store.ledger.head();
  const by = { kind: "operator", entryId: "entry_operator", uid: 0 } as const;
  const authorityId = own.current()?.delivery.authority.authorityId ?? "";
  const { authorities } = broker.ports;
  const next = await authorities.prepare("x509-svid", by);
  await authorities.activate(next.authorityId, { haste: "at-once", by });
  await authorities.taint(authorityId, { reason: "keyCompromise", by });
  clock.advance(300_000);
  await new Promise((resolve) => setImmediate(resolve));
  const events = await store.history.events({ after: sequence, oldestFirst: true, limit: 50 });
  expect(events.map(({ type }) => type)).not.toContain("issuance.recorded");
});

test("it is replaced at once when its authority is trusted no more, and not when another one merely signs", async () => {
  const { broker, own } = await setUp();
  await own.start();
  const first = certificateOf(own);
  const by = { kind: "operator", entryId: "entry_operator", uid: 0 } as const;
  const authorityId = own.current()?.delivery.authority.authorityId ?? "";
  const { authorities } = broker.ports;
  const next = await authorities.prepare("x509-svid", by);
  await authorities.activate(next.authorityId, { haste: "at-once", by });
  expect(certificateOf(own).serialNumber).toBe(first.serialNumber);
  const replaced = new Promise<void>((resolve) => own.onChange(resolve));
  await authorities.taint(authorityId, { reason: "keyCompromise", by });
  await replaced;
  expect(own.current()?.delivery.authority.authorityId).toBe(next.authorityId);
  expect(certificateOf(own).publicKey.equals(first.publicKey)).toBe(false);
});

test("a replacement that can't be signed is tried again within seconds, since nobody believes the one there is", async () => {
  const { broker, clock, own, faults, failures } = await setUp();
  await own.start();
  const by = { kind: "operator", entryId: "entry_operator", uid: 0 } as const;
  const authorityId = own.current()?.delivery.authority.authorityId ?? "";
  const { authorities } = broker.ports;
  const next = await authorities.prepare("x509-svid", by);
  await authorities.activate(next.authorityId, { haste: "at-once", by });
  faults.isSignerUnavailable = true;
  await authorities.taint(authorityId, { reason: "keyCompromise", by });
  await expect.poll(() => failures.length).toBe(1);
  faults.isSignerUnavailable = false;
  await pass(clock, 5, own);
  expect(own.current()?.delivery.authority.authorityId).toBe(next.authorityId);
});

test("nobody changes the broker's own entry, and nobody is taken for the broker", async () => {
  const { broker } = await setUp();
  const by = { kind: "operator", entryId: "entry_operator", uid: 0 } as const;
  await expect(broker.registry.disable("server/server", by)).rejects.toMatchObject({ code: "INVALID_FIELD" });
  await expect(broker.registry.remove("server/server", by)).rejects.toMatchObject({ code: "INVALID_FIELD" });
  expect(broker.entries.matching(new Set())).toEqual([]);
});
