import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { readManifest, writeManifest } from "./manifest.ts";

/** Builds the package `stint-sdk` in a folder: modules and their declarations, with what of the rest of `src` they import. */
export function packSdk(root: string, folder: string): void {
  const at = (...parts: readonly string[]): string => resolve(root, ...parts);
  const compiler = at("node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [compiler, "--project", at("tsconfig.sdk.json"), "--outDir", folder], {
    stdio: "inherit",
  });
  // Envoy's contracts are the broker's alone.
  for (const contracts of ["spiffe", "stint"]) {
    cpSync(at("src/gen", contracts), resolve(folder, "gen", contracts), { recursive: true });
  }
  cpSync(at("LICENSE"), resolve(folder, "LICENSE"));
  cpSync(at("deploy/npm/stint-sdk.md"), resolve(folder, "README.md"));
  const manifest = readManifest(at("src/sdk/package.json"));
  for (const [name, source] of Object.entries(manifest.exports)) {
    if (typeof source === "string" && source.endsWith(".ts")) {
      const compiled = `./sdk/${source.slice("./".length, -".ts".length)}`;
      manifest.exports[name] = { types: `${compiled}.d.ts`, default: `${compiled}.js` };
    }
  }
  // The checkout pins exactly, and tests that; a library that did would keep its users from taking a fix of grpc-js or jose.
  for (const [name, version] of Object.entries(manifest.dependencies)) {
    manifest.dependencies[name] = `^${version}`;
  }
  writeManifest(folder, manifest);
}
