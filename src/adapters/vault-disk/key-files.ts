import { join } from "node:path";
import type { PrincipalKeyStore } from "../../ports/principal-vault.ts";
import { type PrivateFiles, readIfThere } from "./private-files.ts";

/** HMAC-SHA-256 in hexadecimal; a path is made of it. */
const PRINCIPAL_ID = /^[0-9a-f]{64}$/;
const SUFFIX = ".key";

/** One file for each principal: `<principal id>.key`, mode 0600. One process at a time. */
export function createKeyFiles(
  directory: string,
  files: PrivateFiles,
): PrincipalKeyStore & { principalIds(): Promise<readonly string[]> } {
  function nameOf(principalId: string): string {
    if (!PRINCIPAL_ID.test(principalId)) throw new RangeError("not the id of a principal");
    return `${principalId}${SUFFIX}`;
  }

  const find = (principalId: string) => readIfThere(files, join(directory, nameOf(principalId)));

  return {
    find,
    async keep(principalId, key) {
      const known = await find(principalId);
      if (known !== undefined) return known;
      await files.write(directory, nameOf(principalId), key);
      return key;
    },
    remove: (principalId) => files.remove(directory, nameOf(principalId)),
    async principalIds() {
      const names = (await files.list(directory)).filter((name) => name.endsWith(SUFFIX));
      return names.map((name) => name.slice(0, -SUFFIX.length)).filter((id) => PRINCIPAL_ID.test(id));
    },
  };
}
