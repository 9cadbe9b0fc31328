import { once } from "node:events";
import { join } from "node:path";
import { createUnixAttestor } from "./adapters/attestor-unix/unix-attestor.ts";
import { openCheckpointFile } from "./adapters/checkpoint-file/checkpoint-file.ts";
import { createCursorSeal } from "./adapters/cursor-seal/cursor-seal.ts";
import { openDataDirectory } from "./adapters/data-directory/open-data-directory.ts";
import { jwtEs256Format } from "./adapters/jwt-es256/jwt-es256.ts";
import { openSqliteLedger } from "./adapters/ledger-sqlite/ledger-sqlite.ts";
import { readEntries } from "./adapters/ledger-sqlite/read-entries.ts";
import { createLog } from "./adapters/log-pino/log-pino.ts";
import { createMetrics } from "./adapters/metrics-prom/metrics-prom.ts";
import { createCeilingPolicy } from "./adapters/policy-ceiling/policy-ceiling.ts";
import { keepSecret } from "./adapters/signer-disk/secret-file.ts";
import { openDiskSigner } from "./adapters/signer-disk/signer-disk.ts";
import { systemClock } from "./adapters/system/system-clock.ts";
import { systemRandomness } from "./adapters/system/system-randomness.ts";
import { x509DerFormat } from "./adapters/x509-der/x509-der.ts";
import { listenOnUnix } from "./api/endpoint/unix-endpoint.ts";
import { attesting } from "./api/grpc/attesting.ts";
import { type ApiPorts, type ApiServer, operatorServer, workloadServer } from "./api/grpc/servers.ts";
import { stopServing } from "./api/grpc/stop-serving.ts";
import { keyRoutes } from "./api/http/key-routes.ts";
import { operationsRoutes } from "./api/http/operations-routes.ts";
import { startHttp } from "./api/http/start-http.ts";
import { acceptRestore } from "./authority/accept-restore.ts";
import { createAuthorities } from "./authority/authorities.ts";
import { createSuspensions } from "./authority/suspensions.ts";
import { createLifetimes } from "./close/lifetimes.ts";
import { createNotifier } from "./close/notify.ts";
import { keepReceiptJournal } from "./close/receipt-journal.ts";
import { createReceiptBook } from "./close/receipts.ts";
import type { Config } from "./config/config.ts";
import { formatFinding } from "./config/finding.ts";
import { loadConfig } from "./config/load-config.ts";
import { createDenialRecorder } from "./decide/record-denial.ts";
import { spiffeBundle } from "./domain/bundle.ts";
import { readCertificate } from "./domain/certificate.ts";
import { BrokerError, denial, errorOf } from "./domain/errors.ts";
import type { Actor } from "./domain/ledger-event.ts";
import type { EntryContent } from "./domain/registration-entry.ts";
import { selector } from "./domain/selector.ts";
import { parseSegment, trustDomainId } from "./domain/spiffe-id.ts";
import { createIssuanceRate } from "./issue/issuance-rate.ts";
import { tokenSizeCheck } from "./open/token-size.ts";
import type { Log } from "./ports/log.ts";
import { type Difference, declareEntries, differenceOf } from "./registry/declare.ts";
import { createEntryDirectory } from "./registry/entry-directory.ts";
import { createRegistry } from "./registry/registry.ts";

/** A running broker. */
export type Broker = {
  readonly trustDomain: string;
  readonly workloadSocket: string;
  readonly operatorSocket: string;
  readonly httpUrl: string | undefined;
  readonly operationsUrl: string | undefined;
  /** The SPIFFE bundle document as it is now. */
  bundle(): object;
  /** Stops accepting, finishes what is in flight, and closes. Idempotent. */
  close(): Promise<void>;
};

const READINESS_INTERVAL_MS = 250;
const BUNDLE_REFRESH_HINT_SECONDS = 60;

/**
 * Wires adapters, paths and servers. Nothing else does.
 *
 * @throws BrokerError, UnsafeFileError and whatever else says why it can't start; nothing stays open then
 */
export async function openBroker(config: Config, log: Log): Promise<Broker> {
  const closers: (() => Promise<void> | void)[] = [];
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    return await open(config, log, closers, closeAll);
  } catch (thrown) {
    await closeAll();
    throw thrown;
  }
}

async function open(
  config: Config,
  log: Log,
  closers: (() => Promise<void> | void)[],
  closeAll: () => Promise<void>,
): Promise<Broker> {
  const { trustDomain, issuer } = config;
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
  const signer = await openDiskSigner({ directory: directory.keys, trustDomain, randomness: random });
  const seal = createCursorSeal(await keepSecret(directory.path, "cursor.key", () => random.bytes(32)));
  const { ledger, steps, feed, history } = store;
  if (store.verdict.kind === "rolled-back") suspensions.suspend("rollback", store.verdict.reason);

  // What is in force.
  const entries = createEntryDirectory();
  for (const entry of await store.registry.entries()) entries.put(entry);
  const bundleListeners = new Set<() => void>();
  const authorities = createAuthorities({
    ledger,
    reads: store.registry,
    signer,
    clock,
    lifetimeSeconds: {
      "x509-svid": config.authority.x509AuthoritySeconds,
      "jwt-svid": config.authority.jwtAuthoritySeconds,
    },
    changed: () => {
      for (const listener of bundleListeners) listener();
    },
  });
  await authorities.start();

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
  const { conflicting } = await declareEntries(withOperator(config), entries.all(), registry);
  for (const { content } of conflicting) {
    log.warning(
      `entries: ${content.kind}/${content.name} was made by API and stays as it is; what is declared is not in force`,
    );
  }
  await registry.start();
  await lifetimes.start();
  const notifier = createNotifier({ ledger, feed, failed });
  closers.push(() => notifier.close());
  const receipts = createReceiptBook({ entries, clock });
  closers.push(keepReceiptJournal({ ledger, receipts, notifier, clock, failed }));
  const denials = createDenialRecorder({ ledger, clock, failed });
  const rate = createIssuanceRate(clock);
  const bundle = () => spiffeBundle(authorities.all(), authorities.bundleSequence(), BUNDLE_REFRESH_HINT_SECONDS);

  const ports: ApiPorts = {
    ledger,
    steps,
    feed,
    history,
    entries,
    registry,
    authorities,
    signer,
    receipts,
    notifier,
    lifetimes,
    stepDirectory: lifetimes,
    denials,
    rate,
    seal,
    clock,
    random,
    gate: suspensions,
    policy: createCeilingPolicy(),
    processes: unix.watch,
    formats: { "x509-svid": x509DerFormat(), "jwt-svid": jwtEs256Format(issuer) },
    checkTokenSize: tokenSizeCheck(issuer, authorities),
    opened(step, superseded) {
      if (superseded !== undefined) lifetimes.closed(superseded);
      lifetimes.opened(step);
      lifetimes.follow(step.stepId, () => rate.forget(step.stepId));
    },
    closed: (result) => lifetimes.closed(result),
    disableEntry: (entryId, by) => registry.disable(entryId, by),
    watchersMax: config.limits.watchers,
    names: {
      issuer,
      caNameOf: (authorityId) => {
        const certificate = authorities.all().find((one) => one.authorityId === authorityId)?.certificate;
        return certificate === undefined ? undefined : readCertificate(certificate).subject;
      },
    },
    bundle: () => ({
      case: "bundle",
      value: {
        trustDomain: trustDomainId(trustDomain),
        jwks: Buffer.from(JSON.stringify(bundle())),
        issuer,
        development: config.development,
      },
    }),
    onBundleChange(listener) {
      bundleListeners.add(listener);
      return () => void bundleListeners.delete(listener);
    },
    rolledBack: (why) => suspensions.suspend("rollback", why),
    suspendedBecause: () => suspensions.reasons(),
    acceptRestore: (reason: string, by: Actor) =>
      acceptRestore(reason, by, {
        ledger,
        clock,
        random,
        authorities,
        suspensions,
        stepsClosed: lifetimes.recheck,
        trustHead: store.trustHead,
      }),
    async confirmClock(by: Actor) {
      const departed = clock.skewSeconds();
      clock.anchor();
      lifetimes.clockChanged(departed);
      const now = clock.now();
      const what = { operation: "confirm-clock", target: "clock", reason: `${departed.toFixed(3)} s` };
      await ledger.perform({ act: "record-operation", ...what, by, now });
      return departed;
    },
  };

  // Readiness: what is wrong, in words for the operator.
  const readiness = () => {
    const { reasons } = store.health();
    const all = [...suspensions.reasons(), ...reasons];
    for (const family of ["x509-svid", "jwt-svid"] as const) {
      if (authorities.active(family) === undefined) all.push(`no authority for ${family}s is active`);
    }
    return { ready: all.length === 0, reasons: all };
  };

  // Servers, last: nobody is answered before everything is in place.
  const metrics = createMetrics({
    ledgerSequence: () => ledger.head().sequence,
    watchers: () => receipts.watchers().filter((watcher) => watcher.isConnected).length,
    isReady: () => readiness().ready,
  });
  const counted = metrics.counting(log);
  const attested = attesting({ attestor: unix.attestor, entries, denials, clock, random });
  // All at once: while one finishes what is in flight, the other must not go on taking calls.
  const stops: (() => Promise<void>)[] = [];
  closers.push(async () => void (await Promise.all(stops.map((stop) => stop()))));
  const workload = await serve(workloadServer, config.workload.socket, config.workload.mode, undefined);
  const { groupId } = config.operator;
  const operator = await serve(operatorServer, config.operator.socket, groupId === undefined ? 0o600 : 0o660, groupId);

  async function serve(
    make: (endpoint: Parameters<typeof workloadServer>[0], ports: ApiPorts) => ApiServer,
    path: string,
    mode: number,
    gid: number | undefined,
  ): Promise<ApiServer> {
    let endpoint: Awaited<ReturnType<typeof listenOnUnix>> | undefined;
    const api = make(
      {
        peerOf(call) {
          if (endpoint === undefined) throw errorOf(denial("NOT_SERVING", "starting"));
          return endpoint.peerOf(call);
        },
        attest: attested,
        log: counted,
        clock,
      },
      ports,
    );
    endpoint = await listenOnUnix({
      path,
      mode,
      ...(gid === undefined ? {} : { gid }),
      server: api.server,
      adopt: (fd) => unix.adopt(fd),
      connectionsPerUidMax: config.limits.connectionsPerUid,
      onRefused: ({ reason, uid }) => log.info("connection refused", { reason, uid: uid ?? -1 }),
    });
    const listening = endpoint;
    stops.push(() => stopServing(api.server, listening, clock));
    return api;
  }

  const onHttpError = (thrown: unknown) => log.fault("an HTTP request failed", thrown);
  const keys = keyRoutes({
    authorities: () => authorities.all(),
    issuer,
    bundleSequence: () => authorities.bundleSequence(),
  });
  const http = config.http === undefined ? undefined : await startHttp(config.http, () => keys, onHttpError);
  if (http !== undefined) closers.push(() => http.close());
  const health = operationsRoutes({ readiness, metrics: metrics.registry });
  const operations =
    config.operations === undefined ? undefined : await startHttp(config.operations, () => health, onHttpError);
  if (operations !== undefined) closers.push(() => operations.close());

  const tellServing = () => {
    const { ready } = readiness();
    workload.setServing(ready);
    operator.setServing(true);
  };
  tellServing();
  const interval = setInterval(tellServing, READINESS_INTERVAL_MS).unref();
  closers.push(() => clearInterval(interval));

  return {
    trustDomain,
    workloadSocket: config.workload.socket,
    operatorSocket: config.operator.socket,
    httpUrl: http?.url,
    operationsUrl: operations?.url,
    bundle,
    close: closeAll,
  };
}

/**
 * The declared entries, and where none of them is an operator, one for the user that runs the broker: a broker nobody may
 * administer could not be mended.
 */
function withOperator(config: Config): readonly EntryContent[] {
  if (config.entries.some((entry) => entry.kind === "operator")) return config.entries;
  const own: EntryContent = {
    kind: "operator",
    name: parseSegment("broker-user", "name"),
    selectors: [selector("unix:uid", process.getuid?.() ?? 0)],
    role: "admin",
  };
  return [...config.entries, own];
}

/**
 * `stintd run`: serves until SIGTERM or SIGINT.
 *
 * @throws whatever says why it can't start
 */
export async function runDaemon(options: {
  readonly configPath: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly flags?: Readonly<Record<string, string>>;
}): Promise<void> {
  const config = loadConfig(options.configPath, options.environment, { flags: options.flags ?? {} });
  const log = createLog({ level: config.log.level });
  for (const warning of config.warnings) log.warning(formatFinding(warning));
  const stopping = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  const broker = await openBroker(config, log).catch((thrown: unknown) => {
    throw forOperator(thrown);
  });
  log.info("serving", {
    trustDomain: broker.trustDomain,
    workloadSocket: broker.workloadSocket,
    operatorSocket: broker.operatorSocket,
    ...(broker.httpUrl === undefined ? {} : { http: broker.httpUrl }),
    ...(broker.operationsUrl === undefined ? {} : { operations: broker.operationsUrl }),
  });
  await stopping;
  log.info("stopping");
  await broker.close();
}

/** Whoever starts the daemon is told what no caller may see: the path that has to change. */
function forOperator(thrown: unknown): unknown {
  if (!(thrown instanceof BrokerError) || thrown.detail === undefined) return thrown;
  return new Error(`${thrown.message}: ${thrown.detail}`, { cause: thrown });
}

/**
 * `stintd validate`: what is wrong with the configuration, and what running with it would change.
 *
 * @returns the difference to the database; `undefined` where there is none yet
 * @throws ConfigError with every finding
 */
export async function validateConfig(options: {
  readonly configPath: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly flags?: Readonly<Record<string, string>>;
}): Promise<{ readonly config: Config; readonly difference: Difference | undefined }> {
  const config = loadConfig(options.configPath, options.environment, { flags: options.flags ?? {} });
  const recorded = await readEntries(join(config.dataDirectory, "ledger"));
  return { config, difference: recorded === undefined ? undefined : differenceOf(withOperator(config), recorded) };
}
