import { basename } from "node:path";
import type { PrivateFiles } from "../../src/adapters/vault-disk/private-files.ts";

/** Files of one directory, in memory. @param files - their contents by name. */
export function memoryFiles(files: Map<string, Uint8Array>): PrivateFiles {
  return {
    async read(path) {
      const content = files.get(basename(path));
      if (content === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
      return content;
    },
    write: async (_directory, name, content) => void files.set(name, content),
    remove: async (_directory, name) => void files.delete(name),
    list: async () => [...files.keys()],
  };
}
