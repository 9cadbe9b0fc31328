import type { Grant, Process } from "../../gen/stint/v1/types_pb.js";
import { grantMembersOf } from "../../wire/grant-message.ts";
import type { Duration, Timestamp } from "../../wire/timestamps.ts";
import type { Json } from "./view.ts";

/*
 * Members of messages as data: instants in RFC 3339 with the fraction they have, durations in seconds, digests in
 * hexadecimal, sequences as numbers, and absent values as null.
 */

export function instantField(timestamp: Timestamp | undefined): string | null {
  if (timestamp === undefined) return null;
  const { seconds, nanos } = timestamp;
  const whole = new Date(Number(seconds) * 1_000);
  if (Number.isNaN(whole.getTime())) return null;
  const fraction = nanos === 0 ? "" : `.${String(nanos).padStart(9, "0").replace(/0+$/, "")}`;
  return whole.toISOString().replace(".000Z", `${fraction}Z`);
}

/** An instant for a table, in whole seconds. */
export function instantCell(timestamp: Timestamp | undefined): string {
  return instantField(timestamp)?.replace(/\.[0-9]+Z$/, "Z") ?? "";
}

export function secondsField(duration: Duration | undefined): number | null {
  return duration === undefined ? null : Number(duration.seconds) + duration.nanos / 1_000_000_000;
}

export function hexField(bytes: Uint8Array): string | null {
  return bytes.length === 0 ? null : Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Sequences stay far below 2^53: at a million a second that would be three centuries. */
export function sequenceField(sequence: bigint): number | null {
  return sequence === 0n ? null : Number(sequence);
}

export function textField(text: string): string | null {
  return text === "" ? null : text;
}

/** A grant in the member names of RFC 9396. */
export function grantField(grant: Pick<Grant, "elements"> | undefined): Json {
  return grantMembersOf(grant);
}

export function processField(process: Omit<Process, "$typeName" | "$unknown"> | undefined): Json {
  if (process === undefined) return null;
  return {
    pid: process.pid,
    start_time_ticks: Number(process.startTimeTicks),
    pid_namespace: process.pidNamespace,
    boot_id: process.bootId,
  };
}

/** `STEP_STATE_OPEN` without its prefix; a value that this version does not know by its number. */
export function enumField(names: Readonly<Record<number, string>>, value: number): string {
  return names[value] ?? `UNKNOWN_${value}`;
}
