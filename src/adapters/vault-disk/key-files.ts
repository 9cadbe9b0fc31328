import { join } from "node:path";
import { type PrivateFiles, readIfThere } from "./private-files.ts";
import type { PrincipalKey } from "./sealed-principal.ts";

const KEY_ID_BYTES = 8;
const KEY_BYTES = 32;
/** HMAC-SHA-256 in hexadecimal; a path is made of it. */
const PRINCIPAL_ID = /^[0-9a-f]{64}$/;

/** One file for each principal: `<principal id>.key`, mode 0600, the key's id and then the key. */
export function createKeyFiles(
  directory: string,
  files: Omit<PrivateFiles, "list">,
  randomBytes: (count: number) => Uint8Array,
) {
  function nameOf(principalId: string): string {
    if (!PRINCIPAL_ID.test(principalId)) throw new RangeError("not the id of a principal");
    return `${principalId}.key`;
  }

  async function find(principalId: string): Promise<PrincipalKey | undefined> {
    const content = await readIfThere(files, join(directory, nameOf(principalId)));
    return content === undefined ? undefined : keyOf(content);
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
