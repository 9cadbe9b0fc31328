import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
// Whole: what lists is not there in the oldest Node.js that runs the package as a folder.
import * as sea from "node:sea";
import { fileURLToPath } from "node:url";
import { nameInside } from "./place.ts";

/**
 * Reads a file of the package, on the disk or in the executable.
 *
 * @throws Error where there is none
 */
export function readPackaged(url: URL): Buffer<ArrayBuffer> {
  const name = nameInside(url);
  return name === undefined ? readFileSync(url) : Buffer.from(sea.getAsset(name));
}

/** The same, as text. */
export function readPackagedText(url: URL): string {
  return readPackaged(url).toString("utf8");
}

/** Whether the package has a file. */
export function isPackaged(url: URL): boolean {
  const name = nameInside(url);
  return name === undefined ? existsSync(url) : sea.getAssetKeys().includes(name);
}

/**
 * What of the package lies in a folder of it, and below: sorted paths from there.
 *
 * @param folder - ends in a slash.
 * @throws Error where there is none: of a package that is damaged nothing is taken for empty
 */
export function packagedIn(folder: URL): readonly string[] {
  const name = nameInside(folder);
  if (name !== undefined) {
    const inside = sea.getAssetKeys().filter((one) => one.startsWith(name));
    if (inside.length === 0) throw new Error(`the executable has no ${name}`);
    return inside.map((one) => one.slice(name.length)).sort();
  }
  const top = fileURLToPath(folder);
  const files = readdirSync(top, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  return files.map((one) => relative(top, join(one.parentPath, one.name))).sort();
}
