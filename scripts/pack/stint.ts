import { cpSync } from "node:fs";
import { resolve } from "node:path";
import { bundlePrograms } from "./bundle.ts";
import { readManifest, writeManifest } from "./manifest.ts";

/**
 * Builds the package `stint` in a folder. Nothing imports it, so it has no declarations and no modules: only programs.
 *
 * @returns names of packages that have to be installed beside it.
 */
export async function packStint(root: string, folder: string): Promise<readonly string[]> {
  const installed = await bundlePrograms(root, folder);
  for (const name of ["frameworks", "migrations", "policies", "proto", "README.md", "LICENSE"]) {
    const filter = (file: string) => !file.endsWith(".binpb");
    cpSync(resolve(root, name), resolve(folder, name), { recursive: true, filter });
  }
  const manifest = readManifest(resolve(root, "package.json"));
  manifest.dependencies = Object.fromEntries(
    Object.entries(manifest.dependencies).filter(([name]) => installed.includes(name)),
  );
  writeManifest(folder, manifest);
  return installed;
}
