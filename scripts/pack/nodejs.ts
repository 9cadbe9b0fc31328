import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Architecture } from "./architecture.ts";
import type { Component } from "./bill.ts";
import { lockedPackage } from "./locked.ts";

/** The folder of the pinned Node.js for Linux, which is fetched where it is not there. */
export function nodejsOf(root: string, architecture: Architecture): string {
  return lockedPackage(root, join(root, "scripts/node"), `node-linux-${architecture}`);
}

/** The same, for a list of what something consists of. */
export function nodejsComponent(root: string, architecture: Architecture): Component {
  const manifest = readFileSync(join(nodejsOf(root, architecture), "package.json"), "utf8");
  const { version } = JSON.parse(manifest) as { version: string };
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
