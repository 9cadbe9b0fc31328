import { join } from "node:path";
import type { PrincipalKey } from "./seal.ts";

/** How files for the broker's user alone are read and written; a file is there whole or not at all. */
export type PrivateFiles = {
  read(path: string): Promise<Uint8Array>;
  /** Durable once this resolves. */
  write(directory: string, name: string, content: Uint8Array): Promise<void>;
  /** Durable once this resolves. */
  remove(directory: string, name: string): Promise<void>;
};

const KEY_ID_BYTES = 8;
const KEY_BYTES = 32;
/** HMAC-SHA-256 in hexadecimal; a path is made of it. */
const PRINCIPAL_ID = /^[0-9a-f]{64}$/;

/** One file for each principal: `<principal id>.key`, mode 0600, the key's id and then the key. */
export function createKeyFiles(directory: string, files: PrivateFiles, randomBytes: (count: number) => Uint8Array) {
  function nameOf(principalId: string): string {
    if (!PRINCIPAL_ID.test(principalId)) throw new RangeError("not the id of a principal");
    return `${principalId}.key`;
  }

  async function find(principalId: string): Promise<PrincipalKey | undefined> {
    try {
      return keyOf(await files.read(join(directory, nameOf(principalId))));
    } catch (thrown) {
      if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
      throw thrown;
    }
  }

  return {
    find,
    async make(principalId: string): Promise<PrincipalKey> {
      const content = randomBytes(KEY_ID_BYTES + KEY_BYTES);
      await files.write(directory, nameOf(principalId), content);
      return keyOf(content);
    },
    async remove(principalId: string): Promise<void> {
      await files.remove(directory, nameOf(principalId));
    },
  };
}

function keyOf(content: Uint8Array): PrincipalKey {
  if (content.length !== KEY_ID_BYTES + KEY_BYTES)
    throw new RangeError("a principal's key file is not as it was written");
  return {
    keyId: Buffer.from(content.subarray(0, KEY_ID_BYTES)).toString("hex"),
    key: content.subarray(KEY_ID_BYTES),
  };
}
