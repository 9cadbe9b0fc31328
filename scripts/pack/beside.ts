import { cpSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Architecture } from "./architecture.ts";
import { lockedPackage } from "./locked.ts";

/** What of installed packages is for other platforms, for browsers, or for building them. */
const leftOut = (architecture: Architecture) =>
  new RegExp(
    `^(?:better-sqlite3/(?:deps|src|binding\\.gyp|prebuilds/(?!linux-${architecture}\\.node))|@cedar-policy/cedar-wasm/(?:esm|web)|koffi/(?:vendor|doc)|[^/]+/koffi-linux-${architecture}/musl_)`,
  );

/** What koffi is on Linux with the GNU C library; npm finds it by itself. */
export const koffiOf = (architecture: Architecture): string => `@koromix/koffi-linux-${architecture}`;

/**
 * Copies packages to where the programs of a folder find them, in the versions and with the digests of the lock file. For Linux with
 * the GNU C library.
 *
 * @returns where they are in a checkout that has all of them.
 */
export function putBeside(
  root: string,
  names: readonly string[],
  folder: string,
  architecture: Architecture,
): readonly string[] {
  const all = [...names, koffiOf(architecture)];
  const isLeftOut = leftOut(architecture);
  for (const name of all) {
    const from = lockedPackage(root, root, name);
    const filter = (path: string) => !isLeftOut.test(join(name, relative(from, path)));
    cpSync(from, join(folder, "node_modules", name), { recursive: true, filter });
  }
  return all.map((name) => join(root, "node_modules", name));
}

/** With which flags of Node.js a program is to be run, as its first line says. */
export function flagsOf(program: string): readonly string[] {
  const [shebang = ""] = readFileSync(program, "utf8").split("\n", 1);
  const [, flags] = /^#!\/usr\/bin\/env (?:-S )?node((?: --\S+)*)$/.exec(shebang) ?? [];
  if (flags === undefined) throw new Error(`${program} does not say which flags of Node.js it wants`);
  return flags.split(" ").filter((flag) => flag !== "");
}
