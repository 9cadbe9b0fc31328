import { expect, onTestFinished } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { createNotifier } from "../../src/close/notify.ts";
import { addSeconds } from "../../src/domain/time.ts";
import { worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { NOW, TRUST_DOMAIN } from "../samples/credentials.ts";

export const ISSUER = "https://stint.example.org";

/** A ledger, what is told of its ends, and a key for events. All of it is real but the clock; gone with the test. */
export async function eventsLedger() {
  const clock = virtualClock(NOW);
  const random = systemRandomness();
  const store = await openMemoryLedger({ clock, randomness: random });
  onTestFinished(() => store.close());
  const world = worldOf(store, { clock, randomness: random });
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: random });
  const key = await signer.create("events", { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) });
  const failed = (thrown: unknown): void => void expect.unreachable(String(thrown));
  const notifier = createNotifier({ ledger: store.ledger, feed: store.feed, failed });
  onTestFinished(() => notifier.close());
  return { clock, random, store, world, signer, key, failed, notifier };
}
