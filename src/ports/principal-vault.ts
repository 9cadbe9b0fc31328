import type { KnownPrincipal, PrincipalName, RecordedPrincipal, SealedPrincipal } from "../domain/principal.ts";

/**
 * What keeps who principals are out of the ledger: the salt of their digests, and a key for each of them. The ledger holds
 * what is sealed with a key, and deleting the key erases all of it, whatever copies there are of the ledger.
 */
export type PrincipalVault = {
  /** The digest by which the ledger names a principal: always the same for the same name, and never for another. */
  idOf(name: PrincipalName): string;
  /** Seals what is known of a principal. The first time, the principal's key is made, and is durable before this resolves. */
  seal(known: Omit<KnownPrincipal, "principalId">): Promise<SealedPrincipal>;
  /**
   * What was sealed; `undefined` once the key is gone.
   *
   * @throws Error when what was sealed has been changed, or the key can't be read
   */
  open(recorded: RecordedPrincipal): Promise<KnownPrincipal | undefined>;
  /**
   * Deletes the key of a principal; durable once this resolves. Idempotent. A principal who comes back has another key,
   * so that what was sealed before stays unreadable.
   *
   * @param unless - what was sealed with a key that is to stay: one that was made after the erasure.
   */
  erase(principalId: string, unless?: RecordedPrincipal["sealed"]): Promise<void>;
  /**
   * Records an erasure, and then deletes the key as `erase` does. Nobody seals or reads anything of the principal meanwhile,
   * so that nothing is sealed with a key that is about to go.
   *
   * @param record - tells whether the erasure is on record. The key stays where it is not, or where this throws.
   */
  eraseOnce(principalId: string, record: () => Promise<boolean>): Promise<void>;
  /** Forgets what was read of a principal whose key another broker has deleted, or may have. */
  forget(principalId: string): void;
};

/** Where the keys of principals are kept, each as some bytes. */
export type PrincipalKeyStore = {
  find(principalId: string): Promise<Uint8Array | undefined>;
  /**
   * Keeps a key, durably, unless there is one.
   *
   * @returns the one that is kept.
   */
  keep(principalId: string, key: Uint8Array): Promise<Uint8Array>;
  /** Durable once this resolves. Idempotent. */
  remove(principalId: string): Promise<void>;
};
