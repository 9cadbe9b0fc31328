import { createLog, type ProcessLog } from "./adapters/log-pino/log-pino.ts";
import { systemClock } from "./adapters/system/system-clock.ts";
import type { Config } from "./config/config.ts";
import { formatFinding } from "./config/finding.ts";
import { loadConfig, loadSettings } from "./config/load-config.ts";
import { apiPortsOf } from "./main/api-ports.ts";
import { type Closers, closeAll } from "./main/closers.ts";
import { openCore } from "./main/core.ts";
import { heedEnding } from "./main/ending.ts";
import { type ConfigRequest, forOperator, sentenceOf } from "./main/for-operator.ts";
import type { PassOn } from "./main/front-ends.ts";
import { LAST_LINES_MS, logWhatNodePrints } from "./main/log-what-node-prints.ts";
import { mergingLog } from "./main/merging-log.ts";
import { checkNode } from "./main/node-version.ts";
import { createReload, type Reloadable } from "./main/reload.ts";
import { startServers } from "./main/servers.ts";
import { startThreadsAhead, type ThreadsAhead } from "./main/threads-ahead.ts";
import type { Log } from "./ports/log.ts";

export { moveLedger } from "./main/move-ledger.ts";
export { type Promoted, promoteStandby } from "./main/promote.ts";
export { rebuildLedger } from "./main/rebuild.ts";
export { type Validated, validateConfig } from "./main/validate.ts";

/** A running broker. */
export type Broker = {
  readonly trustDomain: string;
  readonly workloadSocket: string;
  readonly operatorSocket: string;
  /** Port of the broker endpoint over TCP. */
  readonly brokerPort: number | undefined;
  readonly nodesPort: number | undefined;
  readonly attestationPort: number | undefined;
  readonly httpUrl: string | undefined;
  readonly operationsUrl: string | undefined;
  /** The SPIFFE bundle document as it is now. */
  bundle(): object;
  /** Sets the level of the log of front ends. */
  setLevel(level: Config["log"]["level"]): void;
  /** What can be changed while the broker runs. */
  readonly reloadable: Reloadable;
  /** Stops accepting, finishes calls in flight, and closes. Idempotent. */
  close(): Promise<void>;
};

/**
 * Wires adapters, paths and servers. Nothing else wires.
 *
 * @param started - threads that load already; absent: they are started now.
 * @throws BrokerError, UnsafeFileError and any other error that says why the broker can't start; nothing stays open
 *   then
 */
export async function openBroker(
  config: Config,
  whole: Log & Partial<Pick<ProcessLog, "passOn">>,
  started?: ThreadsAhead,
): Promise<Broker> {
  checkNode(process.versions.node);
  const ahead = started ?? startThreadsAhead();
  const { log, flush } = mergingLog(whole, systemClock());
  const closers: Closers = [flush];
  const close = () => closeAll(closers);
  try {
    const core = await openCore(config, log, closers, ahead);
    const passOn = passedOn(whole);
    const serving = await startServers({ core, ports: apiPortsOf(core, config), config, log, passOn }, closers);
    return {
      trustDomain: config.trustDomain,
      workloadSocket: config.workload.socket,
      operatorSocket: config.operator.socket,
      ...serving,
      bundle: core.bundle,
      setLevel: (level) => core.frontEnds?.setLevel(level),
      reloadable: {
        registry: core.registry,
        files: core.files,
        entries: core.entries.all,
        declarePolicies: core.administeredPolicies.declare,
      },
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** A front end's log is made of lines as this process's is; what else it writes, Node.js wrote. */
function passedOn(log: Log & Partial<Pick<ProcessLog, "passOn">>): PassOn {
  return (line, front) => {
    if (line.startsWith("{") && log.passOn !== undefined) log.passOn(line);
    else log.warning("a front end wrote", { front, line });
  };
}

type StandbyRequest = ConfigRequest & { readonly isAttended: boolean };

type DaemonRequest = StandbyRequest & {
  onHangup(call: () => void): void;
  /** Threads that were started before this program was loaded; absent: they are started now. */
  readonly ahead?: ThreadsAhead | undefined;
};

/**
 * `stintd run`: serves until SIGTERM or SIGINT, and reads the configuration again with each hangup.
 *
 * @param options.isAttended - whether a person reads standard error. If not, why the daemon can't go on is the last
 *   line of its log.
 * @param options.onHangup - calls with each SIGHUP, and for one that came before.
 * @throws an error that says why the daemon can't start, or did not end as it should
 */
export function runDaemon(options: DaemonRequest): Promise<void> {
  return untilEnded(options, "the daemon", (log) => serve(options, log));
}

/**
 * `stintd standby`: keeps a copy of another broker's ledger up with it until SIGTERM or SIGINT.
 *
 * @throws as `runDaemon` does; also where the copy can't be relied on any more
 */
export function runStandby(options: StandbyRequest): Promise<void> {
  return untilEnded(options, "the standby", (log) => follow(options, log));
}

async function untilEnded(
  options: StandbyRequest,
  who: string,
  run: (log: ProcessLog) => Promise<void>,
): Promise<void> {
  const log = createLog({ level: "info" });
  try {
    logWhatNodePrints({ whole: log, warnings: log }, who);
    await run(log);
  } catch (thrown) {
    const told = forOperator(thrown, options);
    if (!options.isAttended) log.fatal("stintd can't run", { why: sentenceOf(told) });
    throw told;
  }
}

async function serve(options: DaemonRequest, log: ProcessLog): Promise<void> {
  const { config, settings } = loadSettings(options.configPath, options.environment, { flags: options.flags ?? {} });
  log.setLevel(config.log.level);
  for (const warning of config.warnings) log.warning(formatFinding(warning));
  const stopping = heedEnding(log);
  const broker = await openBroker(config, log, options.ahead);
  log.info("serving", {
    daemonPid: process.pid,
    trustDomain: broker.trustDomain,
    workloadSocket: broker.workloadSocket,
    operatorSocket: broker.operatorSocket,
    ...(config.broker?.socket === undefined ? {} : { brokerSocket: config.broker.socket.path }),
    ...(broker.brokerPort === undefined ? {} : { brokerPort: broker.brokerPort }),
    ...(broker.nodesPort === undefined ? {} : { nodesPort: broker.nodesPort }),
    ...(broker.attestationPort === undefined ? {} : { attestationPort: broker.attestationPort }),
    ...(broker.httpUrl === undefined ? {} : { http: broker.httpUrl }),
    ...(broker.operationsUrl === undefined ? {} : { operations: broker.operationsUrl }),
  });
  const setLevel = (level: Config["log"]["level"]) => {
    log.setLevel(level);
    broker.setLevel(level);
  };
  options.onHangup(createReload({ request: options, settings, broker: broker.reloadable, setLevel, log }));
  await stopping;
  log.info("stopping");
  await broker.close();
  await log.flushed(LAST_LINES_MS);
}

async function follow(options: StandbyRequest, log: ProcessLog): Promise<void> {
  checkNode(process.versions.node);
  // A broker does without what a standby is made of.
  const { openStandby } = await import("./main/standby.ts");
  const config = loadConfig(options.configPath, options.environment, { flags: options.flags ?? {} });
  log.setLevel(config.log.level);
  const stopping = heedEnding(log);
  const closers: Closers = [];
  try {
    const { of, operationsUrl, ended } = await openStandby(config, log, closers);
    const operations = operationsUrl === undefined ? {} : { operations: operationsUrl };
    log.info("standing by", { daemonPid: process.pid, of, ...operations });
    await Promise.race([stopping, ended]);
    log.info("stopping");
  } finally {
    await closeAll(closers);
  }
  await log.flushed(LAST_LINES_MS);
}
