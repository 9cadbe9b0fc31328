import { cpSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** What of installed packages is for other platforms than linux/amd64, for browsers, or for building them. */
const LEFT_OUT =
  /\/(?:better-sqlite3\/(?:deps|src|binding\.gyp|prebuilds\/(?!linux-x64\.node))|cedar-wasm\/(?:esm|web)|koffi\/(?:vendor|doc)|koffi-linux-x64\/musl_x64)/;
/** What koffi is on linux/amd64; npm finds it by itself. */
const NATIVE = ["@koromix/koffi-linux-x64"];

/**
 * Copies packages to where the programs of a folder find them, as `npm ci` installed them here: in the versions and with the digests of
 * the lock file. For linux/amd64.
 *
 * @returns where they are in the checkout.
 */
export function putBeside(root: string, names: readonly string[], folder: string): readonly string[] {
  const all = [...names, ...NATIVE];
  for (const name of all) {
    const from = join(root, "node_modules", name);
    const filter = (path: string) => !LEFT_OUT.test(`/${relative(root, path)}`);
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
