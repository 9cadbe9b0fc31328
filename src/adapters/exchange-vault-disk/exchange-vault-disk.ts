import { createCipheriv, createDecipheriv } from "node:crypto";
import { join } from "node:path";
import type { ExchangeVault } from "../../ports/exchange-vault.ts";
import type { Randomness } from "../../ports/randomness.ts";

/** How files for the broker's user alone are read and written; a file is there whole or not at all. */
export type PrivateFiles = {
  read(path: string): Promise<Uint8Array>;
  /** Durable once this resolves. */
  write(directory: string, name: string, content: Uint8Array): Promise<void>;
  /** Durable once this resolves. */
  remove(directory: string, name: string): Promise<void>;
  /** Names of the files of a directory. */
  list(directory: string): Promise<readonly string[]>;
};

export type ExchangeVaultOptions = {
  /** A directory that is the broker's alone. */
  readonly directory: string;
  /** 32 bytes that nobody else knows, kept elsewhere. */
  readonly key: Uint8Array;
  readonly files: PrivateFiles;
  readonly randomness: Pick<Randomness, "bytes">;
};

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SUFFIX = ".sealed";
/** A path is made of it. */
const EXCHANGE_ID = /^xch_[0-9a-f-]{36}$/;

/**
 * One file for each exchange: `<exchange id>.sealed`, nonce, ciphertext and tag of AES-256-GCM. What was sealed for one
 * exchange can't be passed off as another's: the exchange's id is authenticated too.
 */
export function openExchangeVault({ directory, key, files, randomness }: ExchangeVaultOptions): ExchangeVault {
  return {
    async keep(exchangeId, handle) {
      const nonce = randomness.bytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(Buffer.from(exchangeId));
      const sealed = Buffer.concat([nonce, cipher.update(handle, "utf8"), cipher.final(), cipher.getAuthTag()]);
      await files.write(directory, nameOf(exchangeId), sealed);
    },
    async find(exchangeId) {
      const sealed = await readIfThere(files, join(directory, nameOf(exchangeId)));
      return sealed === undefined ? undefined : opened(sealed, exchangeId, key);
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

async function readIfThere(files: PrivateFiles, path: string): Promise<Uint8Array | undefined> {
  try {
    return await files.read(path);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
    throw thrown;
  }
}

/** @throws Error when it was changed since, or sealed with another key */
function opened(sealed: Uint8Array, exchangeId: string, key: Uint8Array): string {
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(exchangeId));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  const text = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  return text.toString();
}
