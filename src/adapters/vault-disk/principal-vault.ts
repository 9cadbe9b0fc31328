import { createHmac } from "node:crypto";
import type { KnownPrincipal } from "../../domain/principal.ts";
import type { PrincipalKeyStore, PrincipalVault } from "../../ports/principal-vault.ts";
import type { Randomness } from "../../ports/randomness.ts";
import {
  keyFrom,
  keyIdOf,
  openSealed,
  PRINCIPAL_KEY_BYTES,
  type PrincipalKey,
  sealPrincipal,
} from "./sealed-principal.ts";
import { SEAL_NONCE_BYTES } from "./sealed-text.ts";

export type PrincipalVaultOptions = {
  /** At least 32 bytes that nobody else knows. */
  readonly salt: Uint8Array;
  readonly keys: PrincipalKeyStore;
  readonly randomness: Randomness;
};

/** What was opened is kept, so that issuing for a step reads no file; the oldest goes first. Some hundred bytes each. */
const KEPT_MAX = 10_000;

export function openPrincipalVault({ salt, keys, randomness }: PrincipalVaultOptions): PrincipalVault {
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

  async function keyOf(principalId: string): Promise<PrincipalKey | undefined> {
    const content = await keys.find(principalId);
    return content === undefined ? undefined : keyFrom(content);
  }

  function forget(principalId: string): void {
    for (const [sealed, known] of kept) if (known.principalId === principalId) kept.delete(sealed);
  }

  async function remove(principalId: string): Promise<void> {
    forget(principalId);
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
        const made = async () => keyFrom(await keys.keep(principalId, randomness.bytes(PRINCIPAL_KEY_BYTES)));
        return sealWith({ principalId, iss, sub, claims }, (await keyOf(principalId)) ?? (await made()));
      });
    },
    async open(recorded) {
      const { principalId, sealed } = recorded;
      const known = kept.get(sealed);
      if (known !== undefined) return known;
      return inTurn(principalId, async () => {
        const key = await keyOf(principalId);
        const opened = key === undefined ? undefined : openSealed(recorded, key);
        return opened === undefined ? undefined : keep(sealed, opened);
      });
    },
    erase: (principalId, unless) =>
      inTurn(principalId, async () => {
        if (unless !== undefined && (await keyOf(principalId))?.keyId === keyIdOf(unless)) return;
        await remove(principalId);
      }),
    eraseOnce: (principalId, record) =>
      inTurn(principalId, async () => {
        if (await record()) await remove(principalId);
      }),
    forget,
  };
}
