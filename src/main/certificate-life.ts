import { X509Certificate } from "node:crypto";
import { BrokerError } from "../domain/errors.ts";
import { secondsOf, type UnixMicros, type UnixSeconds } from "../domain/time.ts";

/** From when a certificate is valid, and until when, exclusive. */
export type Life = { readonly notBefore: UnixSeconds; readonly expiresAt: UnixSeconds };

/**
 * The life of the first certificate in PEM. Those after it are not looked at: an old one that was left in the file is passed
 * over by clients, who find another way to their root.
 */
export function lifeOfFirst(pem: string): Life {
  const { validFromDate, validToDate } = new X509Certificate(pem);
  // X.509 counts the last second as valid.
  return { notBefore: unixSeconds(validFromDate), expiresAt: (unixSeconds(validToDate) + 1) as UnixSeconds };
}

/** @throws BrokerError NOT_SERVING when a certificate is not valid now; `detail` says since or until when */
export function checkInForce(life: Life, now: UnixMicros): void {
  const fault = faultOf(life, secondsOf(now));
  if (fault !== undefined) throw new BrokerError("NOT_SERVING", "the certificate is not valid now", { detail: fault });
}

/** Why a certificate is not valid now; `undefined` when it is. */
export function faultOf({ notBefore, expiresAt }: Life, now: UnixSeconds): string | undefined {
  if (now < notBefore) return `it is not valid before ${isoOf(notBefore)}`;
  return now < expiresAt ? undefined : `it ended at ${isoOf(expiresAt)}`;
}

export function isoOf(instant: UnixSeconds): string {
  return new Date(instant * 1_000).toISOString().replace(".000Z", "Z");
}

function unixSeconds(date: Date): UnixSeconds {
  return Math.floor(date.getTime() / 1_000) as UnixSeconds;
}
