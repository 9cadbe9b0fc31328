/**
 * What is needed to end secrets of other systems, outside of the ledger: each sealed, and deleted once it has served. A
 * copy of the ledger holds nothing of it.
 */
export type ExchangeVault = {
  /** Durable once this resolves. */
  keep(exchangeId: string, handle: string): Promise<void>;
  /** `undefined` where nothing was kept, or it was dropped. */
  find(exchangeId: string): Promise<string | undefined>;
  /** Durable once this resolves. Idempotent. */
  drop(exchangeId: string): Promise<void>;
  /** Drops all but these: what a broker that ended in between has left. */
  dropAllBut(exchangeIds: ReadonlySet<string>): Promise<void>;
};
