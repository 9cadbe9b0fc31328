import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

type Lock = {
  readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity: string } | undefined>>;
};

/**
 * The folder of a package that a lock file names. What is for another processor npm does not install: that is fetched to `build/locked`,
 * and has to have the digest of the lock file.
 *
 * @param project - what has `package-lock.json`, and `node_modules` beside it.
 * @throws Error where the lock file does not name it, or the registry has other bytes
 */
export function lockedPackage(root: string, project: string, name: string): string {
  const installed = join(project, "node_modules", name);
  if (existsSync(installed)) return installed;
  const lock = JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8")) as Lock;
  const locked = lock.packages[`node_modules/${name}`];
  if (locked === undefined) throw new Error(`${name} is not in the lock file`);
  const fetched = resolve(root, "build/locked", `${name.replace("/", "+")}@${locked.version}`);
  if (!existsSync(fetched)) fetch(`${name}@${locked.version}`, locked.integrity, fetched);
  return fetched;
}

function fetch(what: string, integrity: string, folder: string): void {
  const partial = `${folder}.part`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const packed = execFileSync("npm", ["pack", what, "--json", "--ignore-scripts", "--pack-destination", partial], {
    encoding: "utf8",
    cwd: partial,
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  const tarball = join(partial, filename);
  const [algorithm = ""] = integrity.split("-", 1);
  const digest = createHash(algorithm).update(readFileSync(tarball)).digest("base64");
  if (integrity !== `${algorithm}-${digest}`) throw new Error(`${what} is not the package that the lock file names`);
  // All that npm packs is below `package`.
  execFileSync("tar", ["--extract", "--strip-components=1", "--file", tarball, "--directory", partial]);
  rmSync(tarball);
  renameSync(partial, folder);
}
