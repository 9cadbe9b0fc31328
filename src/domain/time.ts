declare const unit: unique symbol;

/** An instant in whole seconds since 1970, UTC; the unit of credentials and expiries. */
export type UnixSeconds = number & { readonly [unit]: "seconds" };

/** An instant in whole microseconds since 1970, UTC; the unit of the ledger. Safe as a number until the year 2255. */
export type UnixMicros = number & { readonly [unit]: "micros" };

export function secondsOf(instant: UnixMicros): UnixSeconds {
  return Math.floor(instant / 1_000_000) as UnixSeconds;
}

export function microsOf(instant: UnixSeconds): UnixMicros {
  return (instant * 1_000_000) as UnixMicros;
}

export function addSeconds(instant: UnixSeconds, seconds: number): UnixSeconds {
  return (instant + seconds) as UnixSeconds;
}

export function addMicros(instant: UnixMicros, micros: number): UnixMicros {
  return (instant + micros) as UnixMicros;
}
