import { createUnixAttestor } from "../adapters/attestor-unix/unix-attestor.ts";
import { openCheckpointFile } from "../adapters/checkpoint-file/checkpoint-file.ts";
import { createCursorSeal } from "../adapters/cursor-seal/cursor-seal.ts";
import { openDataDirectory } from "../adapters/data-directory/open-data-directory.ts";
import { openSqliteLedger } from "../adapters/ledger-sqlite/ledger-sqlite.ts";
import { keepSecret } from "../adapters/signer-disk/secret-file.ts";
import { systemClock } from "../adapters/system/system-clock.ts";
import { systemRandomness } from "../adapters/system/system-randomness.ts";
import { createAuthorities } from "../authority/authorities.ts";
import { keepCrls } from "../authority/crl.ts";
import { createSuspensions } from "../authority/suspensions.ts";
import { createLifetimes } from "../close/lifetimes.ts";
import { createNotifier } from "../close/notify.ts";
import { keepReceiptJournal } from "../close/receipt-journal.ts";
import { createReceiptBook } from "../close/receipts.ts";
import type { Config } from "../config/config.ts";
import { createDenialRecorder } from "../decide/record-denial.ts";
import { x509RootsOf } from "../domain/authority.ts";
import { BUNDLE_REFRESH_HINT_SECONDS, spiffeBundle } from "../domain/bundle.ts";
import { LIMITS } from "../domain/limits.ts";
import type { EntryContent } from "../domain/registration-entry.ts";
import { selector } from "../domain/selector.ts";
import { parseSegment } from "../domain/spiffe-id.ts";
import { createIssuanceRate } from "../issue/issuance-rate.ts";
import type { Clock } from "../ports/clock.ts";
import type { HistoryReads } from "../ports/ledger-reads.ts";
import type { Log } from "../ports/log.ts";
import { declareEntries } from "../registry/declare.ts";
import { createEntryDirectory } from "../registry/entry-directory.ts";
import { createRegistry } from "../registry/registry.ts";
import { openFederation } from "./federation.ts";
import { openSigner, openUpstream } from "./open-signer.ts";

/** What is to be undone at the end, newest first. */
export type Closers = (() => Promise<void> | void)[];

export type Core = Awaited<ReturnType<typeof openCore>>;

/**
 * Opens what a broker consists of, from the data directory up, without letting anybody in yet.
 *
 * @param closers - takes what has to be closed, also when this throws.
 */
export async function openCore(config: Config, log: Log, closers: Closers) {
  const { trustDomain } = config;
  const clock = systemClock();
  const random = systemRandomness();
  const failed = (error: unknown) => log.fault("a background act failed", error);

  // What is kept.
  const directory = await openDataDirectory(config.dataDirectory);
  const suspensions = createSuspensions(clock);
  const store = await openSqliteLedger({
    directory: directory.ledger,
    checkpoints: openCheckpointFile(directory.checkpoint),
    clock,
    randomness: random,
    reserveBytes: config.ledger.reserveBytes,
    diskFreeBytesMin: config.ledger.diskFreeBytesMin,
    failed,
  });
  closers.push(() => store.close());
  // Behind the ledger's lock: a second daemon must not so much as look at the keys.
  const signer = await openSigner(config, { directory: directory.keys, randomness: random }, closers);
  const seal = createCursorSeal(await keepSecret(directory.path, "cursor.key", () => random.bytes(32)));
  const { ledger, steps, feed } = store;
  if (store.verdict.kind === "rolled-back") suspensions.suspend("rollback", store.verdict.reason);
  const behind = await secondsBehind(store.history, clock);
  if (behind > LIMITS.clockSkewSecondsMax) {
    suspensions.suspend(
      "clock",
      `the clock is ${behind.toFixed(0)} s behind the newest event; set it right, or confirm it`,
    );
  }

  // What is in force.
  const entries = createEntryDirectory();
  for (const entry of await store.registry.entries()) entries.put(entry);
  const bundleListeners = new Set<() => void>();
  const upstream = await openUpstream(config, { clock, randomness: random });
  const authorities = createAuthorities({
    ledger,
    reads: store.registry,
    signer,
    ...(upstream === undefined ? {} : { upstream }),
    clock,
    lifetimeSeconds: {
      "x509-svid": config.authority.x509AuthoritySeconds,
      "jwt-svid": config.authority.jwtAuthoritySeconds,
      // WIT-SVIDs are JWTs too: one setting for both families.
      "wit-svid": config.authority.jwtAuthoritySeconds,
    },
    rotation: config.authority,
    gate: suspensions,
    changed: () => {
      for (const listener of bundleListeners) listener();
    },
    failed,
  });
  closers.push(() => authorities.stop());
  await authorities.start();

  const federation = await openFederation(
    config,
    {
      ownAuthorities: () => x509RootsOf(authorities.all()),
      ledger,
      reads: store.registry,
      clock,
      randomness: random,
    },
    log,
  );
  closers.push(() => federation.stop());

  // Who is there.
  const unix = createUnixAttestor();
  closers.push(() => unix.close());

  // Opening, issuing, closing.
  const lifetimes = createLifetimes({ ledger, steps, processes: unix.watch, clock, failed });
  closers.push(() => lifetimes.stop());
  const registry = createRegistry({
    ledger,
    steps,
    entries,
    trustDomain,
    clock,
    random,
    ownSelectors: config.development ? undefined : [selector("unix:uid", process.getuid?.() ?? 0)],
    stepsClosed: () => void lifetimes.recheck().catch(failed),
  });
  const { conflicting } = await declareEntries(withOwn(config), entries.all(), registry);
  for (const { content } of conflicting) {
    log.warning(
      `entries: ${content.kind}/${content.name} was made by API and stays as it is; what is declared is not in force`,
    );
  }
  await registry.start();
  await lifetimes.start();
  const notifier = createNotifier({ ledger, feed, failed });
  closers.push(() => notifier.close());
  const onBundleChange = (listener: () => void) => {
    bundleListeners.add(listener);
    return () => void bundleListeners.delete(listener);
  };
  const crls = await keepCrls({
    ledger,
    credentials: store.credentials,
    authorities,
    signer,
    clock,
    onDenied: (listener) => notifier.subscribe(({ entries: denied }) => listener(denied)).unsubscribe,
    onAuthoritiesChange: onBundleChange,
    ledgerIsDoubted: suspensions.ledgerIsDoubted,
    failed,
  });
  closers.push(() => crls.stop());
  const receipts = createReceiptBook({ entries, clock });
  closers.push(keepReceiptJournal({ ledger, receipts, notifier, clock, failed }));
  const denials = createDenialRecorder({ ledger, clock, failed });
  const rate = createIssuanceRate(clock);
  const bundle = () => spiffeBundle(authorities.all(), authorities.bundleSequence(), BUNDLE_REFRESH_HINT_SECONDS);

  /** What is wrong, in words for the operator. */
  const readiness = () => {
    const reasons = [...suspensions.reasons(), ...store.health().reasons];
    for (const family of ["x509-svid", "jwt-svid", "wit-svid"] as const) {
      if (authorities.active(family) === undefined) reasons.push(`no authority for ${family}s is active`);
    }
    return { ready: reasons.length === 0, reasons };
  };

  return {
    clock,
    random,
    failed,
    store,
    signer,
    seal,
    suspensions,
    entries,
    authorities,
    bundle,
    onBundleChange,
    federation,
    crls,
    unix,
    lifetimes,
    registry,
    notifier,
    receipts,
    denials,
    rate,
    readiness,
  };
}

/** How far the clock is behind what was recorded last. Time can't have gone back: one of the two was wrong. */
async function secondsBehind(history: HistoryReads, clock: Clock): Promise<number> {
  const [newest] = await history.events({ limit: 1 });
  return newest === undefined ? 0 : (newest.recordedAt - clock.now()) / 1_000_000;
}

/**
 * The declared entries, and the broker's own. Where no operator is declared, the user that runs the broker is one: a
 * broker nobody may administer could not be mended.
 */
export function withOwn(config: Config): readonly EntryContent[] {
  const server: EntryContent = { kind: "server", name: parseSegment("server", "name"), selectors: [] };
  if (config.entries.some((entry) => entry.kind === "operator")) return [...config.entries, server];
  const operator: EntryContent = {
    kind: "operator",
    name: parseSegment("broker-user", "name"),
    selectors: [selector("unix:uid", process.getuid?.() ?? 0)],
    role: "admin",
  };
  return [...config.entries, operator, server];
}
