import { join } from "node:path";
import type { ExchangeVault } from "../../ports/exchange-vault.ts";
import type { Randomness } from "../../ports/randomness.ts";
import { type PrivateFiles, readIfThere } from "./private-files.ts";
import { SEAL_NONCE_BYTES, sealText, unsealedText } from "./sealed-text.ts";

export type ExchangeVaultOptions = {
  /** A directory that is the broker's alone. */
  readonly directory: string;
  /** 32 bytes that nobody else knows, kept elsewhere. */
  readonly key: Uint8Array;
  readonly files: PrivateFiles;
  readonly randomness: Pick<Randomness, "bytes">;
};

const SUFFIX = ".sealed";
/** A path is made of it. */
const EXCHANGE_ID = /^xch_[0-9a-f-]{36}$/;

/**
 * One file for each exchange: `<exchange id>.sealed`, as `sealText` seals it for this exchange alone.
 */
export function openExchangeVault({ directory, key, files, randomness }: ExchangeVaultOptions): ExchangeVault {
  return {
    async keep(exchangeId, handle) {
      const sealed = sealText(handle, { key, owner: exchangeId }, randomness.bytes(SEAL_NONCE_BYTES));
      await files.write(directory, nameOf(exchangeId), sealed);
    },
    async find(exchangeId) {
      const sealed = await readIfThere(files, join(directory, nameOf(exchangeId)));
      return sealed === undefined ? undefined : unsealedText(sealed, { key, owner: exchangeId });
    },
    drop: (exchangeId) => files.remove(directory, nameOf(exchangeId)),
    async dropAllBut(exchangeIds) {
      const wanted = new Set([...exchangeIds].map(nameOf));
      for (const name of await files.list(directory)) {
        if (name.endsWith(SUFFIX) && !wanted.has(name)) await files.remove(directory, name);
      }
    },
  };
}

function nameOf(exchangeId: string): string {
  if (!EXCHANGE_ID.test(exchangeId)) throw new RangeError("not the id of an exchange");
  return `${exchangeId}${SUFFIX}`;
}
