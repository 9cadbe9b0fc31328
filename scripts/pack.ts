// Builds both packages under dist, each a folder that `npm publish` takes as it is: dist/stint and dist/stint-sdk.
//
// They come from one tree: the SDK imports wire, domain, verify and gen by relative path, so its folder repeats the shape of src.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { bundlePrograms } from "./pack/bundle.ts";

const root = resolve(import.meta.dirname, "..");
const at = (...parts: readonly string[]): string => resolve(root, ...parts);

type Manifest = {
  name: string;
  private?: boolean;
  workspaces?: readonly string[];
  exports: Record<string, string | { types: string; default: string }>;
  dependencies: Record<string, string>;
  devDependencies?: Record<string, string>;
};

function readManifest(file: string): Manifest {
  return JSON.parse(readFileSync(file, "utf8")) as Manifest;
}

function writeManifest(folder: string, manifest: Manifest): void {
  // In the checkout they are private, so that nobody publishes sources by accident; what is written here is meant for publishing.
  const { private: _private, workspaces: _workspaces, devDependencies: _devDependencies, ...published } = manifest;
  writeFileSync(resolve(folder, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
}

function copy(names: readonly string[], to: string): void {
  for (const name of names.filter((each) => existsSync(at(each)))) {
    cpSync(at(name), resolve(to, name), { recursive: true, filter: (file) => !file.endsWith(".binpb") });
  }
}

function compile(project: string): void {
  execFileSync(process.execPath, [at("node_modules/typescript/bin/tsc"), "--project", at(project)], {
    stdio: "inherit",
  });
}

/** Nothing imports it, so it has no declarations and no modules: only programs. */
async function packStint(): Promise<void> {
  const folder = at("dist/stint");
  const installed = await bundlePrograms(root, folder);
  copy(["migrations", "policies", "proto", "README.md", "LICENSE"], folder);
  const manifest = readManifest(at("package.json"));
  manifest.dependencies = Object.fromEntries(
    Object.entries(manifest.dependencies).filter(([name]) => installed.includes(name)),
  );
  writeManifest(folder, manifest);
}

function packSdk(): void {
  const folder = at("dist/stint-sdk");
  compile("tsconfig.sdk.json");
  // Envoy's contracts are the broker's alone.
  for (const contracts of ["spiffe", "stint"]) {
    cpSync(at("src/gen", contracts), resolve(folder, "gen", contracts), { recursive: true });
  }
  copy(["LICENSE"], folder);
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
await packStint();
packSdk();
