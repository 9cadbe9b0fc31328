import { pino } from "pino";
import { BrokerError } from "../../domain/errors.ts";
import type { Facts, Log } from "../../ports/log.ts";

/** The log of a process: beside what a broker tells, the process itself may end. */
export type ProcessLog = Log & {
  /** What ends the process. Written before this returns. */
  fatal(what: string, facts: Facts, error?: unknown): void;
};

/**
 * JSON lines on standard error, which nothing else of the daemon writes to. Levels are names. The daemon's own pid is in
 * the line that says that it serves, and in no other: `pid` is always a caller's.
 */
export function createLog(options: {
  readonly level: "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";
  readonly destination?: NodeJS.WritableStream;
}): ProcessLog {
  const logger = pino(
    {
      level: options.level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    options.destination ?? pino.destination({ fd: 2, sync: false }),
  );
  return {
    request(line) {
      const { method, outcome, ids, durationMs, ...rest } = line;
      logger.info({ method, outcome, durationMs: Math.round(durationMs * 1_000) / 1_000, ...rest, ...ids }, "request");
    },
    fault(what, error) {
      logger.error({ error: describe(error) }, what);
    },
    fatal(what, facts, error) {
      logger.fatal({ ...facts, ...(error === undefined ? {} : { error: describe(error) }) }, what);
    },
    warning(what, facts = {}) {
      logger.warn(facts, what);
    },
    recurring(what, facts) {
      logger.warn(facts, what);
    },
    info(what, facts = {}) {
      logger.info(facts, what);
    },
  };
}

/** Names and messages of an error and its causes; nothing that an error merely carries along. */
function describe(error: unknown): object {
  if (!(error instanceof Error)) return { message: "not an error" };
  return {
    name: error.name,
    message: error.message,
    ...(error instanceof BrokerError && error.detail !== undefined ? { detail: error.detail } : {}),
    ...(error instanceof BrokerError ? {} : { stack: error.stack }),
    ...(error.cause === undefined ? {} : { cause: describe(error.cause) }),
  };
}
