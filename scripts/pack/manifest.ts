import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

export type Manifest = {
  name: string;
  version: string;
  description: string;
  license: string;
  private?: boolean;
  workspaces?: readonly string[];
  exports: Record<string, string | { types: string; default: string }>;
  dependencies: Record<string, string>;
  devDependencies?: Record<string, string>;
};

export function readManifest(file: string): Manifest {
  return JSON.parse(readFileSync(file, "utf8")) as Manifest;
}

export function writeManifest(folder: string, manifest: Manifest): void {
  // In the checkout they are private, so that nobody publishes sources by accident; what is written here is meant for publishing.
  const { private: _private, workspaces: _workspaces, devDependencies: _devDependencies, ...published } = manifest;
  writeFileSync(resolve(folder, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
}
