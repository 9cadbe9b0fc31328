import { chmodSync, globSync } from "node:fs";
import { join } from "node:path";

/**
 * Makes all in a folder nobody's but root's to write and everybody's to read, whatever the umask of whoever builds, or of whoever checked
 * the sources out: archives have the modes that files have.
 *
 * @param programs - paths of what can be run.
 * @returns paths of the files.
 */
export function settleModes(folder: string, programs: ReadonlySet<string> = new Set()): readonly string[] {
  const contents = globSync("**", { cwd: folder, withFileTypes: true });
  const files: string[] = [];
  for (const entry of contents) {
    const path = join(entry.parentPath, entry.name);
    // A link has no mode of its own.
    if (entry.isSymbolicLink()) continue;
    if (entry.isFile()) files.push(path);
    chmodSync(path, entry.isDirectory() || programs.has(path) ? 0o755 : 0o644);
  }
  chmodSync(folder, 0o755);
  return files;
}
