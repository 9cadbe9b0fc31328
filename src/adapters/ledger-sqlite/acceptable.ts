import { LIMITS } from "../../domain/limits.ts";
import { addMicros, secondsOf, type UnixMicros } from "../../domain/time.ts";
import type { Connection } from "./connection.ts";
import { minuteOf } from "./tables/event-table.ts";
import { type AcceptableIssuance, ISSUANCE } from "./tables/issuance-table.ts";

/** A verifier may accept a credential for so long after its expiry, its clock being as wrong as is still believed. */
const LENIENCE_SECONDS = LIMITS.verifierLeewaySeconds + LIMITS.clockSkewSecondsMax;

/**
 * All that an authority signed and a verifier may still accept at this instant, oldest first: what was taken back already,
 * by itself or with its step, is not among it.
 */
export function acceptableOf(db: Connection, authorityId: string, at: UnixMicros): readonly AcceptableIssuance[] {
  const livesSeconds = LIMITS.svidTtlSecondsMax + LENIENCE_SECONDS;
  return db.all<AcceptableIssuance>(ISSUANCE.acceptableOfAuthority, {
    authorityId,
    refusedThrough: secondsOf(at) - LENIENCE_SECONDS,
    sinceMinute: minuteOf(addMicros(at, -livesSeconds * 1_000_000)),
  });
}
