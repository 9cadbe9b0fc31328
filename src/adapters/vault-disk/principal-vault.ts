import { createHmac } from "node:crypto";
import type { KnownPrincipal } from "../../domain/principal.ts";
import type { PrincipalVault } from "../../ports/principal-vault.ts";
import type { Randomness } from "../../ports/randomness.ts";
import { createKeyFiles } from "./key-files.ts";
import type { PrivateFiles } from "./private-files.ts";
import { keyIdOf, openSealed, type PrincipalKey, sealPrincipal } from "./sealed-principal.ts";
import { SEAL_NONCE_BYTES } from "./sealed-text.ts";

export type PrincipalVaultOptions = {
  /** A directory that is the broker's alone. */
  readonly directory: string;
  /** At least 32 bytes that nobody else knows. */
  readonly salt: Uint8Array;
  readonly files: Omit<PrivateFiles, "list">;
  readonly randomness: Randomness;
};

/** What was opened is kept, so that issuing for a step reads no file; the oldest goes first. Some hundred bytes each. */
const KEPT_MAX = 10_000;

/** Keeps the keys of principals in files of a directory. One process at a time. */
export function openPrincipalVault({ directory, salt, files, randomness }: PrincipalVaultOptions): PrincipalVault {
  const keys = createKeyFiles(directory, files, (count) => randomness.bytes(count));
  const kept = new Map<string, KnownPrincipal>();
  /** What is done to one principal's key is done one after another: of two keys made at once, one would be lost. */
  const turns = new Map<string, Promise<unknown>>();

  function inTurn<Result>(principalId: string, act: () => Promise<Result>): Promise<Result> {
    const result = (turns.get(principalId) ?? Promise.resolve()).then(act, act);
    const turn = result.finally(() => {
      if (turns.get(principalId) === turn) turns.delete(principalId);
    });
    turn.catch(() => undefined);
    turns.set(principalId, turn);
    return result;
  }

  function keep(sealed: string, known: KnownPrincipal): KnownPrincipal {
    kept.set(sealed, known);
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT_MAX) break;
      kept.delete(oldest);
    }
    return known;
  }

  function sealWith(known: KnownPrincipal, key: PrincipalKey) {
    const recorded = sealPrincipal(known, key, randomness.bytes(SEAL_NONCE_BYTES));
    return { ...keep(recorded.sealed, known), ...recorded };
  }

  async function forget(principalId: string): Promise<void> {
    for (const [sealed, known] of kept) if (known.principalId === principalId) kept.delete(sealed);
    await keys.remove(principalId);
  }

  const idOf: PrincipalVault["idOf"] = ({ iss, sub }) =>
    createHmac("sha256", salt)
      .update(JSON.stringify([iss, sub]))
      .digest("hex");

  return {
    idOf,
    seal({ iss, sub, claims }) {
      const principalId = idOf({ iss, sub });
      return inTurn(principalId, async () => {
        const key = (await keys.find(principalId)) ?? (await keys.make(principalId));
        return sealWith({ principalId, iss, sub, claims }, key);
      });
    },
    async open(recorded) {
      const { principalId, sealed } = recorded;
      const known = kept.get(sealed);
      if (known !== undefined) return known;
      return inTurn(principalId, async () => {
        const key = await keys.find(principalId);
        const opened = key === undefined ? undefined : openSealed(recorded, key);
        return opened === undefined ? undefined : keep(sealed, opened);
      });
    },
    erase: (principalId, unless) =>
      inTurn(principalId, async () => {
        if (unless !== undefined && (await keys.find(principalId))?.keyId === keyIdOf(unless)) return;
        await forget(principalId);
      }),
    eraseOnce: (principalId, record) =>
      inTurn(principalId, async () => {
        if (await record()) await forget(principalId);
      }),
  };
}
