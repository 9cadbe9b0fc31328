import { openCheckpointFile } from "../adapters/checkpoint-file/checkpoint-file.ts";
import { createCursorSeal } from "../adapters/cursor-seal/cursor-seal.ts";
import { openDataDirectory } from "../adapters/data-directory/open-data-directory.ts";
import { openSqliteLedger } from "../adapters/ledger-sqlite/ledger-sqlite.ts";
import { createCedarEngine } from "../adapters/policy-cedar/cedar-engine.ts";
import { openEnvelopeSigner } from "../adapters/signer-disk/envelope-signer.ts";
import { signElsewhere } from "../adapters/signer-disk/keys-elsewhere.ts";
import { openNoteSigner } from "../adapters/signer-disk/note-signer.ts";
import { keepSecret } from "../adapters/signer-disk/secret-file.ts";
import { systemClock } from "../adapters/system/system-clock.ts";
import { systemDeflate } from "../adapters/system/system-deflate.ts";
import { systemRandomness } from "../adapters/system/system-randomness.ts";
import { httpWitness } from "../adapters/witness-http/witness-http.ts";
import { keepRetention } from "../audit/retention.ts";
import { keepCheckpoints } from "../authority/checkpoints.ts";
import { keepCosigned } from "../authority/cosigning.ts";
import { keepCrls } from "../authority/crl.ts";
import { keepStatusLists } from "../authority/status-lists.ts";
import { createSuspensions } from "../authority/suspensions.ts";
import type { Config } from "../config/config.ts";
import { checkEntrySafety } from "../config/entry-safety.ts";
import { kernelUser } from "../config/kernel-user.ts";
import { readLocalAccounts } from "../config/local-accounts.ts";
import { x509RootsOf } from "../domain/authority.ts";
import { BUNDLE_REFRESH_HINT_SECONDS, spiffeBundle } from "../domain/bundle.ts";
import { LIMITS } from "../domain/limits.ts";
import type { RegistrationEntry } from "../domain/registration-entry.ts";
import { secondsOf } from "../domain/time.ts";
import { createExplainer } from "../explain/explainer.ts";
import { createStandbys } from "../follow/standbys.ts";
import { createStatusIndexes } from "../issue/status-indexes.ts";
import type { Clock } from "../ports/clock.ts";
import type { HistoryReads } from "../ports/ledger-reads.ts";
import type { Log } from "../ports/log.ts";
import { declareEntries } from "../registry/declare.ts";
import { followFederating } from "../registry/federating.ts";
import { checkTrustDomain } from "../registry/ledger-trust-domain.ts";
import { keepBeside } from "./beside.ts";
import { endingsOf } from "./certificate-endings.ts";
import type { Closers } from "./closers.ts";
import { exchangeTargets, openExchangeKeeping } from "./exchanges.ts";
import { engineWithExternal } from "./external-policy.ts";
import { openFanOut } from "./fan-out.ts";
import { openFederation } from "./federation.ts";
import { followElsewhere, openFrontEnds } from "./front-ends.ts";
import { ledgerPlace } from "./ledger-place.ts";
import { openMachines } from "./machines.ts";
import { openSigner, upstreamFiles } from "./open-signer.ts";
import { openVault } from "./open-vault.ts";
import { withOwn } from "./own-entries.ts";
import { administerPolicies, declareAtStart } from "./policies.ts";
import { principalTokens } from "./principal-tokens.ts";
import { readinessOf } from "./readiness.ts";
import { keepFilesRenewed } from "./renewed-files.ts";
import { openSignals, securityEventsOf } from "./signals.ts";
import { tellEvents } from "./tell-events.ts";
import type { ThreadsAhead } from "./threads-ahead.ts";
import { toldDenials } from "./told-denials.ts";
import { openTracing, tracedEngine, tracedLedger } from "./tracing.ts";
import { upgradeLog } from "./upgrade-log.ts";

export type Core = Awaited<ReturnType<typeof openCore>>;

/**
 * Opens what a broker consists of, from the data directory up, without letting anybody in yet.
 *
 * @param closers - takes what has to be closed, also when this function throws.
 * @param ahead - threads that nobody else has.
 */
export async function openCore(config: Config, log: Log, closers: Closers, ahead: ThreadsAhead) {
  const { trustDomain } = config;
  const clock = systemClock();
  const random = systemRandomness();
  const failed = (error: unknown) => log.fault("a background act failed", error);

  const tracing = await openTracing(config.tracing, log);
  if (tracing !== undefined) closers.push(tracing.close);

  // Before all else: they load their program while the ledger is opened.
  const frontEnds = openFrontEnds(config, log);
  if (frontEnds !== undefined) closers.push(() => frontEnds.stop());

  const files = keepFilesRenewed({ clock, log });
  closers.push(() => files.stop());

  // A library takes as long to load as a ledger to open, each in a thread of its own.
  const { cedar } = ahead;
  closers.push(
    () => cedar.close(),
    () => ahead.writer.end(),
  );

  // What is kept.
  const directory = await openDataDirectory(config.dataDirectory);
  const suspensions = createSuspensions(clock);
  // What is recorded is signed in the ledger's thread; a token of PKCS #11 is asked from here, once it is recorded.
  const signing = config.keyManager.kind === "disk" ? signElsewhere() : undefined;
  if (signing !== undefined) closers.push(signing.close);
  const { checkpointCopy } = config.ledger;
  const checkpoints = keepCheckpoints({
    signer: await openNoteSigner(directory.path),
    trustDomain,
    file: openCheckpointFile(directory.checkpoint),
    ...(checkpointCopy === undefined ? {} : { copy: openCheckpointFile(checkpointCopy) }),
    clock,
  });
  const place = await ledgerPlace(config, directory);
  const opened = await openSqliteLedger({
    ahead: ahead.writer,
    ...place,
    checkpoints,
    clock,
    randomness: random,
    reserveBytes: config.ledger.reserveBytes,
    diskFreeBytesMin: config.ledger.diskFreeBytesMin,
    ...(signing === undefined ? {} : { signing: signing.there }),
    failed,
    upgrading: upgradeLog(log),
  });
  closers.push(() => opened.close());
  const store = tracing === undefined ? opened : tracedLedger(opened, tracing);
  const isElsewhere = () => store.replicas?.leads() === false;
  // What others have recorded in a ledger that can't be reached may contradict whatever is said of it.
  const ledgerIsDoubted = () =>
    suspensions.ledgerIsDoubted() || (store.replicas !== undefined && !store.health().writable);
  const { ledger, projections } = store;
  if (frontEnds !== undefined) closers.push(followElsewhere(ledger, frontEnds));
  const { counts, end } = tellEvents(ledger, log);
  closers.push(end);
  // Before anything is written or signed, and before the signer destroys keys that its trust domain's ledger knows not.
  const [kept, known] = await Promise.all([projections.entries(), projections.authorities()]);
  checkTrustDomain(trustDomain, { entries: kept.value, authorities: known.value });
  // Opened behind the ledger's lock: a second daemon must not so much as look at the keys.
  const ofSigner = { directory: directory.keys, randomness: random };
  const signer = await openSigner(
    config,
    signing === undefined ? ofSigner : { ...ofSigner, elsewhere: signing.keys },
    closers,
  );
  const recordSigner = await openEnvelopeSigner(directory.path);
  const principals = await openVault(directory, store, random, { shared: place.shared?.settings, closers });
  const seal = createCursorSeal(
    store.cursorKey ?? (await keepSecret(directory.path, "cursor.key", () => random.bytes(32))),
  );
  if (store.verdict.kind === "rolled-back") suspensions.suspend("rollback", store.verdict.reason);
  const behind = await secondsBehind(store.history, clock);
  if (behind > LIMITS.clockSkewSecondsMax) {
    suspensions.suspend(
      "clock",
      `the clock is ${behind.toFixed(0)} s behind the newest event; set it right, or confirm it`,
    );
  }

  // Who is there, and for whom.
  const judgesPrincipals = await principalTokens(config.principals, { clock, files });
  const machines = openMachines(clock);
  const { unix } = machines;
  closers.push(() => unix.close());

  // What is decided on. Before anything is registered: a new ledger never permits what its policies would not.
  const { external } = config.policies;
  const ofExternal = { clock, log, files, ...(tracing !== undefined && { tracing }) };
  const deciding = external === undefined ? cedar : await engineWithExternal(external, cedar, ofExternal);
  if (external !== undefined) closers.push(() => deciding.close());
  const engine = tracing === undefined ? deciding : tracedEngine(deciding, tracing);
  const ofPolicies = { ledger, policies: store.policies, engine, clock, log };
  const declared = await declareAtStart(config.policies, { ...ofPolicies, isNewLedger: kept.value.length === 0 });
  // A thread of its own, so that explaining never delays a decision. It starts with the first question.
  const explaining = createCedarEngine();
  closers.push(() => explaining.close());

  // What is kept beside the ledger, each by the ledger's events.
  const ofUpstream = upstreamFiles(config, { clock, randomness: random });
  const upstream = ofUpstream === undefined ? undefined : await files.follow(ofUpstream);
  const beside = await keepBeside(
    {
      store,
      exchanges: {
        targets: await exchangeTargets(config.exchanges, { clock, random, files }),
        vault: await openExchangeKeeping(directory, random),
        delayed: ({ exchangeId, target, failure: why = "" }) =>
          log.recurring("a secret of another system can't be ended yet", { exchangeId, target, why }),
      },
      signer,
      ...(config.ledger.postgres === undefined ? {} : { replica: config.ledger.postgres.replica }),
      ...(upstream === undefined ? {} : { upstream: upstream.current }),
      lifetimeSeconds: {
        "x509-svid": config.authority.x509AuthoritySeconds,
        "jwt-svid": config.authority.jwtAuthoritySeconds,
        // WIT-SVIDs and transaction tokens are JWTs too: one setting for these families.
        "wit-svid": config.authority.jwtAuthoritySeconds,
        "txn-token": config.authority.jwtAuthoritySeconds,
        ...(config.statusLists || config.ssf.transmit || config.nats !== undefined
          ? { events: config.authority.jwtAuthoritySeconds }
          : {}),
      },
      rotation: config.authority,
      gate: suspensions,
      processes: machines.watch,
      nodes: machines.nodes,
      kinship: machines.kinship,
      executableSha256: unix.executableSha256,
      trustDomain,
      apart: config.development ? undefined : { own: kernelUser(), accounts: () => readLocalAccounts() },
      clock,
      random,
      engine,
      ...(frontEnds === undefined ? {} : { frontEnds: [frontEnds] }),
      principals,
      keyMissing: ({ authorityId, family }) =>
        log.warning("a key is missing, and is replaced", { authorityId, family }),
      failed,
    },
    closers,
  );
  const { authorities, entries, notifier, registry } = beside;
  const policies = administerPolicies(config.policies, declared, { ...ofPolicies, directory: beside.policies });
  const explainer = createExplainer({
    history: store.history,
    steps: store.steps,
    policies: store.policies,
    registryReads: store.registry,
    principals,
    entries,
    engine: explaining,
  });
  if (upstream !== undefined) closers.push(upstream.onChange(() => void authorities.look()));
  const federation = await openFederation(
    config,
    { ownAuthorities: () => x509RootsOf(authorities.all()), ledger, projections, clock, randomness: random },
    { log, files },
  );
  closers.push(() => federation.stop());

  const { conflicting } = await declareEntries(withOwn(config), entries.all(), registry);
  for (const { content } of conflicting) {
    log.warning(
      `entries: ${content.kind}/${content.name} was made by API and stays as it is; what is declared is not in force`,
    );
  }
  // What was registered before users were compared by what selectors mean, or before a user came into a group.
  for (const { content } of config.development ? [] : sharingAgents(entries.all())) {
    log.warning(`entries: ${content.kind}/${content.name} is under the broker's user or an operator's: take it back`);
  }
  await registry.start();
  const crls = await keepCrls({
    ledger,
    credentials: store.credentials,
    authorities,
    signer,
    clock,
    onDenied: (listener) => notifier.subscribe(({ entries: denied }) => listener(denied)).unsubscribe,
    onAuthoritiesChange: authorities.onChange,
    ledgerIsDoubted,
    failed,
  });
  closers.push(() => crls.stop());
  const statusLists = config.statusLists
    ? await keepStatusLists({
        ledger,
        credentials: store.credentials,
        authorities,
        signer,
        deflate: systemDeflate(),
        clock,
        issuer: config.issuer,
        ledgerIsDoubted,
      })
    : undefined;
  if (statusLists !== undefined) closers.push(() => statusLists.following.end());
  const outboxes = await openSignals(
    config,
    {
      ...{ ledger, projections, authorities, signer, clock, failed },
      feed: store.feed,
      entries: beside.entries,
      onDenied: (listener) => notifier.subscribe(() => listener()).unsubscribe,
      ...{ isElsewhere, replicas: store.replicas },
    },
    { log, files },
    closers,
  );
  const told = toldDenials(config, { ledger, feed: store.feed, notifier, clock, authorities, seal });
  const fanOut = await openFanOut(
    config,
    {
      ...{ ledger, notifier, authorities, signer, clock, failed, denyList: told.denyList },
      ...{ ledgerIsDoubted, isElsewhere, confirmed: store.confirmed },
      rolledBack: (why) => suspensions.suspend("rollback", why),
    },
    { log, files },
    closers,
  );
  const bundle = () => spiffeBundle(authorities.all(), authorities.bundleSequence(), BUNDLE_REFRESH_HINT_SECONDS);

  const endings = () => endingsOf(files.certificates(), secondsOf(clock.now()));
  const readiness = () =>
    readinessOf({
      suspensions,
      store,
      authorities,
      reassessment: beside.reassessment,
      endings: endings(),
      otherWarnings: [policies.warning(), fanOut?.warning()],
    });

  const cosigning = keepCosigned({
    checkpoints,
    tree: store.tree,
    witnesses: config.ledger.witnesses.map(httpWitness),
    isElsewhere,
    clock,
    delayed: (witness, why) => log.recurring("a checkpoint was not signed by a witness", { witness, why }),
    failed,
  });
  closers.push(() => cosigning.stop());
  const retention = keepRetention({
    retention: store.retention,
    times: config.retention,
    refusal: suspensions.refusal,
    isElsewhere,
    clock,
    log,
  });
  closers.push(() => retention.stop());

  return {
    clock,
    random,
    failed,
    store,
    checkpoints: { ...checkpoints, covering: cosigning.covering },
    signer,
    recordSigner,
    engine,
    explainer,
    seal,
    principals,
    judgesPrincipals,
    suspensions,
    ...beside,
    bundle,
    onBundleChange: authorities.onChange,
    federation,
    onFederatingChange: followFederating(entries, federation, failed),
    crls,
    statusLists,
    outboxes,
    ...told,
    fanOut,
    retention,
    securityEvents: await securityEventsOf(config.ssf, { clock, files }),
    statusIndexes: config.statusLists ? createStatusIndexes(random) : undefined,
    unix,
    machines,
    readiness,
    tracing,
    administeredPolicies: policies,
    /** `undefined` while what is kept of steps can't be relied on. */
    openSteps: () =>
      beside.stepDirectory.following.refusal() === undefined ? beside.stepDirectory.open().length : undefined,
    counts,
    upstream,
    files,
    endings,
    frontEnds,
    ledgerDirectory: place.directory,
    ledgerIsDoubted,
    standbys: createStandbys(),
  };
}

/** Agents in force that nobody may put into force now. */
function sharingAgents(inForce: readonly RegistrationEntry[]): readonly RegistrationEntry[] {
  const enabled = inForce.filter(({ disabled }) => !disabled);
  const own = { user: kernelUser(), development: false };
  const contents = enabled.map(({ content }) => content);
  return checkEntrySafety(contents, own, readLocalAccounts()).flatMap(({ entry, severity }) => {
    const sharing = enabled[entry];
    return severity === "refusal" && sharing !== undefined ? [sharing] : [];
  });
}

/** Seconds that the clock is behind the newest event. Time can't have gone back: the clock is wrong, or it was then. */
async function secondsBehind(history: HistoryReads, clock: Clock): Promise<number> {
  const [newest] = await history.events({ limit: 1 });
  return newest === undefined ? 0 : (newest.recordedAt - clock.now()) / 1_000_000;
}
