import type { Head, Ledger } from "../../ports/ledger.ts";

/** Those who want to know of every commit. */
export type HeadListeners = Pick<Ledger, "onCommit"> & { tell(head: Head): void };

export function createHeadListeners(): HeadListeners {
  const listeners = new Set<(head: Head) => void>();
  return {
    onCommit(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    tell(head) {
      for (const listener of listeners) listener(head);
    },
  };
}
