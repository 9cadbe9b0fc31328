import type { Head, Ledger } from "../../ports/ledger.ts";

/** Those who want to know of every commit. */
export type HeadListeners = Pick<Ledger, "onCommit"> & { tell(head: Head, denies: boolean): void };

export function createHeadListeners(): HeadListeners {
  const listeners = new Set<(head: Head, denies: boolean) => void>();
  return {
    onCommit(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    tell(head, denies) {
      for (const listener of listeners) listener(head, denies);
    },
  };
}
