import { generateKeyPairSync } from "node:crypto";
import { onTestFinished } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { x509DerFormat } from "../../src/adapters/x509-der/x509-der.ts";
import { type CrlKeeper, type CrlPorts, keepCrls } from "../../src/authority/crl.ts";
import { createNotifier } from "../../src/close/notify.ts";
import type { Authority } from "../../src/domain/authority.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../src/domain/time.ts";
import { type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { recordedOf, TRUST_DOMAIN } from "../samples/credentials.ts";

/** An X.509-SVID as it was issued, with its key. */
export type IssuedX509 = {
  readonly serialNumber: string;
  readonly certificate: Uint8Array;
  /** PEM. */
  readonly chain: string;
  readonly key: string;
};

export const pemOf = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(der)
    .toString("base64")
    .replace(/(.{64})(?!$)/g, "$1\n")}\n-----END ${label}-----\n`;

/** A ledger, the notifier on it, keys, and CRLs kept of all that. Everything is real but the clock. */
export type CrlScene = Awaited<ReturnType<typeof crlScene>>;

export async function crlScene(start: UnixSeconds) {
  const clock = virtualClock(start);
  const randomness = systemRandomness();
  const store = await openMemoryLedger({ clock, randomness });
  const world: World = worldOf(store, { clock, randomness });
  const failures: unknown[] = [];
  const failed = (error: unknown): void => void failures.push(error);
  const notifier = createNotifier({ ledger: store.ledger, feed: store.feed, failed });
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness });
  const format = x509DerFormat();
  const authorities: Authority[] = [];
  const authorityListeners = new Set<() => void>();
  let isDoubted = false;
  onTestFinished(async () => {
    notifier.close();
    await store.close();
  });

  async function addAuthority(): Promise<Authority> {
    const now = secondsOf(clock.now());
    const made = await signer.create("x509-svid", {
      notBefore: addSeconds(now, -60),
      expiresAt: addSeconds(now, 86_400),
    });
    authorities.push(made);
    for (const listener of authorityListeners) listener();
    return made;
  }

  async function issue(step: Step, authority: Authority, lifetimeSeconds = 120): Promise<IssuedX509> {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const now = secondsOf(clock.now());
    const expiresAt = addSeconds(now, lifetimeSeconds);
    const { authorityId } = authority;
    const { serialNumber = "" } = await world.issue(step, { kind: "x509-svid", authorityId, expiresAt });
    const toBeSigned = format.toBeSigned({
      spiffeId: step.spiffeId,
      notBefore: addSeconds(now, -10),
      expiresAt,
      authority,
      serialNumber,
      publicKey: pair.publicKey.export({ type: "spki", format: "der" }),
      audiences: [],
      grant: [],
      step,
    });
    const signature = await signer.signSvid(recordedOf("x509-svid", authority, toBeSigned));
    const certificate = format.assemble(toBeSigned, signature);
    const key = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    return { serialNumber, certificate, chain: pemOf("CERTIFICATE", certificate), key };
  }

  /** Begins to keep the CRLs, as at a start of the broker, with other ports where given. */
  async function keep(own: Partial<CrlPorts> = {}): Promise<CrlKeeper> {
    const crls = await keepCrls({
      ledger: store.ledger,
      credentials: store.credentials,
      authorities: { all: () => authorities },
      signer,
      clock,
      onDenied: (listener) => notifier.subscribe(({ entries }) => listener(entries)).unsubscribe,
      onAuthoritiesChange(listener) {
        authorityListeners.add(listener);
        return () => void authorityListeners.delete(listener);
      },
      ledgerIsDoubted: () => isDoubted,
      failed,
      ...own,
    });
    onTestFinished(() => crls.stop());
    return crls;
  }

  return {
    clock,
    world,
    store,
    notifier,
    signer,
    authorities,
    failures,
    addAuthority,
    issue,
    keep,
    doubt(doubted: boolean) {
      isDoubted = doubted;
    },
  };
}
