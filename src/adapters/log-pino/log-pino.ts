import { pino } from "pino";
import { BrokerError } from "../../domain/errors.ts";
import type { Facts, Log } from "../../ports/log.ts";
import { createLineWriter } from "./line-writer.ts";

type Level = "fatal" | "error" | "warn" | "info" | "debug" | "trace";

/** The log of a process of its own: beside what a broker tells, the process itself may end. */
export type ProcessLog = Log & {
  setLevel(level: Level): void;
  /** What ends the process. */
  fatal(what: string, facts: Facts, error?: unknown): void;
  /** Resolves when all lines are written, or after this many milliseconds. */
  flushed(withinMs: number): Promise<void>;
  /** Writes a line that another process of the broker wrote for its log. */
  passOn(line: string): void;
};

const STANDARD_ERROR = 2;

/**
 * JSON lines on standard error, which nothing else of the daemon writes to. Nobody has to be reading. Levels are names. The daemon's
 * own pid is in the line that says that it serves, and in no other: `pid` is always a caller's.
 */
export function createLog(options: {
  readonly level: Level | "silent";
  /** Absent: standard error. */
  readonly descriptor?: number;
  /** In every line. */
  readonly facts?: Facts;
}): ProcessLog {
  const writer = createLineWriter(options.descriptor ?? STANDARD_ERROR, (lines) =>
    logger.warn({ lines }, "lines of the log were lost"),
  );
  const logger = pino(
    {
      level: options.level,
      base: options.facts ?? null,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    writer,
  );
  return {
    setLevel(level) {
      logger.level = level;
    },
    flushed: writer.flushed,
    passOn: (line) => writer.write(`${line}\n`),
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
