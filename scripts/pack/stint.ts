import { cpSync } from "node:fs";
import { resolve } from "node:path";
import type { Parts } from "./bill.ts";
import { bundlePrograms } from "./bundle.ts";
import { readManifest, writeManifest } from "./manifest.ts";

/** Builds the package `stint` in a folder. Nothing imports it, so it has no declarations and no modules: only programs. */
export async function packStint(root: string, folder: string): Promise<Parts> {
  const parts = await bundlePrograms(root, folder);
  for (const name of ["frameworks", "migrations", "policies", "proto", "LICENSE"]) {
    const filter = (file: string) => !file.endsWith(".binpb");
    cpSync(resolve(root, name), resolve(folder, name), { recursive: true, filter });
  }
  cpSync(resolve(root, "deploy/npm/stint.md"), resolve(folder, "README.md"));
  const manifest = readManifest(resolve(root, "package.json"));
  manifest.dependencies = Object.fromEntries(
    Object.entries(manifest.dependencies).filter(([name]) => parts.installed.includes(name)),
  );
  writeManifest(folder, manifest);
  return parts;
}
