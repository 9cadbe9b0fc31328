// Builds both packages under dist, each a folder that `npm publish` takes as it is: dist/stint and dist/stint-sdk.
//
// They come from one tree: the SDK imports wire, domain, verify and gen by relative path, so its folder repeats the shape of src.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { readManifest, writeManifest } from "./pack/manifest.ts";
import { packStint } from "./pack/stint.ts";

const root = resolve(import.meta.dirname, "..");
const at = (...parts: readonly string[]): string => resolve(root, ...parts);

function compile(project: string): void {
  execFileSync(process.execPath, [at("node_modules/typescript/bin/tsc"), "--project", at(project)], {
    stdio: "inherit",
  });
}

function packSdk(): void {
  const folder = at("dist/stint-sdk");
  compile("tsconfig.sdk.json");
  // Envoy's contracts are the broker's alone.
  for (const contracts of ["spiffe", "stint"]) {
    cpSync(at("src/gen", contracts), resolve(folder, "gen", contracts), { recursive: true });
  }
  cpSync(at("LICENSE"), resolve(folder, "LICENSE"));
  if (existsSync(at("src/sdk/README.md"))) {
    cpSync(at("src/sdk/README.md"), resolve(folder, "README.md"));
  }
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

rmSync(at("dist"), { recursive: true, force: true });
mkdirSync(at("dist"));
await packStint(root, at("dist/stint"));
packSdk();
