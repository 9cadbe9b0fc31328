import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { invalidField } from "../domain/errors.ts";
import type { UnixMicros, UnixSeconds } from "../domain/time.ts";

export type { Duration, Timestamp };

/** 9999-12-31T23:59:59Z, the last that google.protobuf.Timestamp allows; in seconds a number holds it exactly. */
const UNIX_SECONDS_MAX = 253_402_300_799n;
/** In microseconds a number is exact until 2255. */
const UNIX_SECONDS_IN_MICROS_MAX = BigInt(Math.floor(Number.MAX_SAFE_INTEGER / 1_000_000)) - 1n;
const NANOS_PER_SECOND = 1_000_000_000;
/** What google.protobuf.Duration allows: 10,000 years. */
const DURATION_SECONDS_MAX = 315_576_000_000n;

export function timestampOfMicros(instant: UnixMicros): Timestamp {
  const seconds = Math.floor(instant / 1_000_000);
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos: (instant - seconds * 1_000_000) * 1_000 });
}

export function timestampOfSeconds(instant: UnixSeconds): Timestamp {
  return create(TimestampSchema, { seconds: BigInt(instant), nanos: 0 });
}

/**
 * An instant to the microsecond; a finer fraction is cut off.
 *
 * @throws BrokerError INVALID_FIELD before 1970, after 2255, or with nanoseconds outside a second
 */
export function microsOfTimestamp(timestamp: Timestamp, field: string): UnixMicros {
  checkTimestamp(timestamp, UNIX_SECONDS_IN_MICROS_MAX, field);
  return (Number(timestamp.seconds) * 1_000_000 + Math.floor(timestamp.nanos / 1_000)) as UnixMicros;
}

/**
 * An instant in whole seconds. A fraction is cut off, so that what ends then never ends later than was said.
 *
 * @throws BrokerError INVALID_FIELD before 1970, after 9999, or with nanoseconds outside a second
 */
export function secondsOfTimestamp(timestamp: Timestamp, field: string): UnixSeconds {
  checkTimestamp(timestamp, UNIX_SECONDS_MAX, field);
  return Number(timestamp.seconds) as UnixSeconds;
}

function checkTimestamp(timestamp: Timestamp, secondsMax: bigint, field: string): void {
  const { seconds, nanos } = timestamp;
  const isInRange = seconds >= 0n && seconds <= secondsMax && nanos >= 0 && nanos < NANOS_PER_SECOND;
  if (!isInRange) throw invalidField(field, "an instant after 1970");
}

export function durationOfSeconds(seconds: number): Duration {
  return durationOfMs(seconds * 1_000);
}

/** @param micros - whole, not negative. */
export function durationOfMicros(micros: number): Duration {
  const seconds = Math.floor(micros / 1_000_000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: (micros - seconds * 1_000_000) * 1_000 });
}

/** @param ms - whole, not negative. */
export function durationOfMs(ms: number): Duration {
  const seconds = Math.floor(ms / 1_000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1_000) * 1_000_000) });
}

/**
 * A duration that must be of whole seconds; bounds are for the caller to check.
 *
 * @throws BrokerError INVALID_FIELD for a fraction or a negative duration
 */
export function secondsOfDuration(duration: Duration, field: string): number {
  checkDuration(duration, field);
  if (duration.nanos !== 0) throw invalidField(field, "a duration of whole seconds");
  return Number(duration.seconds);
}

/**
 * A duration in milliseconds; a finer fraction is rounded up, so that a wait is never cut to none.
 *
 * @throws BrokerError INVALID_FIELD for a negative duration
 */
export function msOfDuration(duration: Duration, field: string): number {
  checkDuration(duration, field);
  return Number(duration.seconds) * 1_000 + Math.ceil(duration.nanos / 1_000_000);
}

function checkDuration({ seconds, nanos }: Duration, field: string): void {
  const isInRange = seconds >= 0n && seconds <= DURATION_SECONDS_MAX && nanos >= 0 && nanos < NANOS_PER_SECOND;
  if (!isInRange) throw invalidField(field, "a duration, not negative");
}
