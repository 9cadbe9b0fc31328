import type { StatusGetResponse } from "../../gen/stint/v1/status_pb.js";
import { busyWhen, status } from "../api/clients.ts";

/** What the page knows of the broker. */
export type Live = {
  /** `stale`: nothing was heard for longer than the broker is ever silent. `away`: nobody answers. */
  readonly state: "connecting" | "live" | "stale" | "away";
  /** Of the ledger's newest event. */
  readonly sequence: bigint;
  readonly status: StatusGetResponse | undefined;
  /** Whether the ledger grows without a pause. */
  readonly isBusy: boolean;
  /** When anything was heard last, milliseconds since 1970. */
  readonly heardAt: number;
};

/** The broker says something every five seconds. */
const STALE_MS = 8_000;
const RETRY_MS = 1_000;
/** The broker tells of a ledger that grows at least once a second, and of one that does not once in five. */
const PAUSE_MS = 2_000;
const BUSY_AFTER_MS = 3_000;
const RETRY_MS_MAX = 10_000;

let current: Live = { state: "connecting", sequence: 0n, status: undefined, isBusy: false, heardAt: Date.now() };
const listeners = new Set<() => void>();

export function live(): Live {
  return current;
}

/** @returns what ends it. */
export function onLive(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function become(next: Partial<Live>): void {
  current = { ...current, ...next };
  for (const listener of listeners) listener();
}

/**
 * Follows the broker for as long as the page is looked at: a page in the background holds no connection, of which a browser has few for
 * one host.
 *
 * @returns what ends it.
 */
export function followBroker(): () => void {
  busyWhen(() => current.isBusy);
  let following: AbortController | undefined;
  const judged = setInterval(() => {
    const isSilent = Date.now() - current.heardAt > STALE_MS;
    if (isSilent && current.state === "live") become({ state: "stale" });
  }, 1_000);

  async function follow({ signal }: AbortController): Promise<void> {
    let busySince = Date.now();
    for (let wait = RETRY_MS; !signal.aborted; wait = Math.min(2 * wait, RETRY_MS_MAX)) {
      try {
        for await (const { sequence, status: whole } of status.follow({}, { signal })) {
          const now = Date.now();
          if (now - current.heardAt > PAUSE_MS) busySince = now;
          const isBusy = now - busySince > BUSY_AFTER_MS;
          become({ state: "live", sequence, isBusy, heardAt: now, ...(whole !== undefined && { status: whole }) });
          wait = RETRY_MS;
        }
      } catch {
        if (!signal.aborted) become({ state: "away" });
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  function judge(): void {
    following?.abort();
    following = document.visibilityState === "visible" ? new AbortController() : undefined;
    if (following !== undefined) void follow(following);
  }
  document.addEventListener("visibilitychange", judge);
  judge();
  return () => {
    document.removeEventListener("visibilitychange", judge);
    clearInterval(judged);
    following?.abort();
  };
}
