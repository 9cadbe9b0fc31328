import { cpSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";

/** Copies a file or a folder to a path, links as links. */
export function put(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { verbatimSymlinks: true, recursive: true });
}
