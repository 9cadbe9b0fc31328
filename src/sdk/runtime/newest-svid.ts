import type { TlsIdentity } from "../../wire/channel.ts";
import { StintError } from "./stint-error.ts";

/** The X.509-SVID of this runtime, always the newest. */
export type RuntimeSvid = {
  /** @throws StintError when there is none, and none to be had within the time for a call */
  current(): Promise<TlsIdentity>;
  /** Calls with every further one. */
  onChange(changed: (identity: TlsIdentity) => void): void;
  close(): void;
};

/** The newest SVID between whoever gets it and those who need it. */
export type NewestSvid = Pick<RuntimeSvid, "current" | "onChange"> & {
  take(identity: TlsIdentity): void;
  /** There is none, for this reason. Those who wait are told at once, unless it passes. */
  lack(reason: StintError): void;
  /** Those who have it may keep it; whoever comes waits for the next. */
  forget(): void;
};

const FIRST_MS_MAX = 10_000;

/**
 * @param source - where it comes from, for people.
 * @param wanted - called whenever somebody asks and there is none.
 */
export function keepNewestSvid(source: string, wanted: () => void): NewestSvid {
  const listeners = new Set<(identity: TlsIdentity) => void>();
  let newest: TlsIdentity | undefined;
  let lastError: StintError | undefined;
  let waiting: (() => void)[] = [];

  function settle(): void {
    const told = waiting;
    waiting = [];
    for (const resolve of told) resolve();
  }

  return {
    take(identity) {
      newest = identity;
      lastError = undefined;
      // Those who wait first: a listener that throws must not keep them waiting.
      settle();
      for (const changed of listeners) changed(identity);
    },
    lack(reason) {
      lastError = reason;
      if (!reason.retryable) settle();
    },
    forget() {
      newest = undefined;
    },
    async current() {
      if (newest === undefined) {
        const told = new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, FIRST_MS_MAX).unref();
          waiting.push(() => {
            clearTimeout(timer);
            resolve();
          });
        });
        wanted();
        await told;
      }
      if (newest !== undefined) return newest;
      throw lastError ?? new StintError("UNREACHABLE", `${source} gave no SVID in time`);
    },
    onChange: (changed) => void listeners.add(changed),
  };
}
