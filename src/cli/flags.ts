import { InvalidArgumentError } from "commander";

const SECONDS_OF = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;
const DURATION = /^([0-9]{1,9})([smhd]?)$/;
const WHOLE = /^(0|[1-9][0-9]{0,14})$/;
/** A date, or a date and a time with its offset: what is meant must not depend on where the command runs. */
const INSTANT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?$/;

/*
 * Values of flags. Commander calls each function with the text; a text that the function refuses is a mistake of usage.
 */

/** Seconds, of `90`, `90s`, `5m`, `1h` or `7d`. */
export function durationFlag(text: string): number {
  const [, count, unit] = DURATION.exec(text) ?? [];
  if (count === undefined) throw new InvalidArgumentError("Expected a time such as 90s, 5m or 1h.");
  return Number(count) * SECONDS_OF[unit === "" ? "s" : (unit as keyof typeof SECONDS_OF)];
}

/** Milliseconds since 1970, of an instant in RFC 3339, or of a time before now such as `15m`. */
export function instantFlag(text: string, now: number): number {
  if (DURATION.test(text) && !/^[0-9]+$/.test(text)) return now - durationFlag(text) * 1_000;
  const instant = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(instant)) return instant;
  throw new InvalidArgumentError("Expected an instant such as 2026-01-31T12:00:00Z, or a time ago such as 15m.");
}

export function countFlag(text: string): number {
  if (!WHOLE.test(text)) throw new InvalidArgumentError("Expected a whole number.");
  return Number(text);
}

/** A serial number as the ledger writes it; colons, capitals and leading zero bytes, as openssl prints them, go. */
export function serialFlag(text: string): string {
  const digits = text
    .replaceAll(":", "")
    .toLowerCase()
    .replace(/^(00)+(?=.)/, "");
  if (!/^([0-9a-f]{2})+$/.test(digits)) throw new InvalidArgumentError("Expected whole bytes in hexadecimal.");
  return digits;
}

/** A flag that may be given several times. */
export function listFlag(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}
