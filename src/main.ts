import { once } from "node:events";
import { createLog } from "./adapters/log-pino/log-pino.ts";
import type { Config } from "./config/config.ts";
import { formatFinding } from "./config/finding.ts";
import { loadConfig } from "./config/load-config.ts";
import { apiPortsOf } from "./main/api-ports.ts";
import { type Closers, closeAll } from "./main/closers.ts";
import { openCore } from "./main/core.ts";
import { type ConfigRequest, forOperator } from "./main/for-operator.ts";
import { checkNode } from "./main/node-version.ts";
import { startServers } from "./main/servers.ts";
import type { Log } from "./ports/log.ts";

export { type Validated, validateConfig } from "./main/validate.ts";

/** A running broker. */
export type Broker = {
  readonly trustDomain: string;
  readonly workloadSocket: string;
  readonly operatorSocket: string;
  /** Port of the broker endpoint over TCP. */
  readonly brokerPort: number | undefined;
  readonly attestationPort: number | undefined;
  readonly httpUrl: string | undefined;
  readonly operationsUrl: string | undefined;
  /** The SPIFFE bundle document as it is now. */
  bundle(): object;
  /** Stops accepting, finishes calls in flight, and closes. Idempotent. */
  close(): Promise<void>;
};

/**
 * Wires adapters, paths and servers. Nothing else wires.
 *
 * @throws BrokerError, UnsafeFileError and any other error that says why the broker can't start; nothing stays open
 *   then
 */
export async function openBroker(config: Config, log: Log): Promise<Broker> {
  checkNode(process.versions.node);
  const closers: Closers = [];
  const close = () => closeAll(closers);
  try {
    const core = await openCore(config, log, closers);
    const serving = await startServers({ core, ports: apiPortsOf(core, config), config, log }, closers);
    return {
      trustDomain: config.trustDomain,
      workloadSocket: config.workload.socket,
      operatorSocket: config.operator.socket,
      ...serving,
      bundle: core.bundle,
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/**
 * `stintd run`: serves until SIGTERM or SIGINT.
 *
 * @throws an error that says why the daemon can't start
 */
export async function runDaemon(options: ConfigRequest): Promise<void> {
  const config = loadConfig(options.configPath, options.environment, { flags: options.flags ?? {} });
  const log = createLog({ level: config.log.level });
  for (const warning of config.warnings) log.warning(formatFinding(warning));
  const stopping = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  const broker = await openBroker(config, log).catch((thrown: unknown) => {
    throw forOperator(thrown, options);
  });
  log.info("serving", {
    trustDomain: broker.trustDomain,
    workloadSocket: broker.workloadSocket,
    operatorSocket: broker.operatorSocket,
    ...(config.broker?.socket === undefined ? {} : { brokerSocket: config.broker.socket.path }),
    ...(broker.brokerPort === undefined ? {} : { brokerPort: broker.brokerPort }),
    ...(broker.attestationPort === undefined ? {} : { attestationPort: broker.attestationPort }),
    ...(broker.httpUrl === undefined ? {} : { http: broker.httpUrl }),
    ...(broker.operationsUrl === undefined ? {} : { operations: broker.operationsUrl }),
  });
  await stopping;
  log.info("stopping");
  await broker.close();
}
