// Do the packages hold what they promise? Both are built and packed, the tarballs are linted, installed into an empty folder without
// install scripts, and used: every export of the SDK is imported, every command of `stint` says its version.
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { usesOf } from "./pack/uses.ts";

const root = resolve(import.meta.dirname, "..");
const SECONDS = 1_000;
/** Installing fetches some 60 packages where npm's cache is cold; nothing else here takes more than a few seconds. */
const COMMAND_TIMEOUT_MS = 180 * SECONDS;

// The Node.js that runs this script, whatever PATH says; npm and the installed commands look it up there.
const environment = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}` };

function run(cwd: string, command: string, ...args: readonly string[]): string {
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    cwd,
    env: environment,
    encoding: "utf8",
    timeout: COMMAND_TIMEOUT_MS,
  });
  if (status !== 0) {
    // Linters report on standard output, npm on standard error: whoever must repair this wants both.
    throw new Error(`${basename(command)} ${args.join(" ")}: ${signal ?? `exit status ${status}`}\n${stdout}${stderr}`);
  }
  return stdout;
}

function check(isTrue: boolean, claim: string): void {
  if (!isTrue) {
    throw new Error(`not so: ${claim}`);
  }
  console.log(claim);
}

type Manifest = {
  readonly version: string;
  readonly exports: Record<string, unknown>;
  readonly bin?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
};
const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

/** Makes the tarball of one of the folders under dist, after linting it, and says where it is. */
function pack(name: string, into: string): string {
  const folder = resolve(root, "dist", name);
  run(root, "publint", "run", folder, "--strict", "--pack", "npm");
  const [packed] = JSON.parse(run(folder, "npm", "pack", "--json", "--pack-destination", into)) as [
    { filename: string },
  ];
  return join(into, packed.filename);
}

/** Imports each export in a process of its own, so that none is helped by what another has loaded. */
function importAll(folder: string, specifiers: readonly string[]): void {
  for (const specifier of specifiers) {
    const names = run(
      folder,
      process.execPath,
      "--input-type=module",
      "--eval",
      `console.log(Object.keys(await import(${JSON.stringify(specifier)})).length)`,
    );
    check(Number(names) > 0, `${specifier} can be imported, and exports something`);
  }
}

const install = (folder: string, ...what: readonly string[]): string =>
  run(
    folder,
    "npm",
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    "--loglevel=error",
    ...what,
  );

/** They need the optional peer that they adapt the SDK to. */
const ADAPTERS = ["stint-sdk/mcp", "stint-sdk/mcp-v1"];

run(root, process.execPath, "scripts/pack.ts");
const work = mkdtempSync(join(tmpdir(), "stint-packages-"));
const packages = resolve(root, "dist/packages");
try {
  const [stint, sdk] = [pack("stint", packages), pack("stint-sdk", packages)];
  run(root, "attw", sdk, "--profile", "esm-only");
  check(true, "publint and attw find nothing");

  writeFileSync(join(work, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  const sdkManifest = readManifest(resolve(root, "dist/stint-sdk"));
  const specifiers = Object.keys(sdkManifest.exports)
    .filter((name) => name !== "./package.json")
    .map((name) => join("stint-sdk", name));

  // First alone: what an MCP server gets, without the optional peers that only the adapter of that name may need.
  install(work, sdk);
  check(globSync("node_modules/**/*.node", { cwd: work }).length === 0, "stint-sdk brings no native code");
  importAll(
    work,
    specifiers.filter((specifier) => !ADAPTERS.includes(specifier)),
  );

  type Dependencies = Readonly<Record<"dependencies" | "devDependencies", Readonly<Record<string, string>>>>;
  const own = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8")) as Dependencies;
  const versions = { ...own.dependencies, ...own.devDependencies };
  // Of the other peers, which are agent frameworks, the SDK imports nothing.
  const peers = Object.keys(sdkManifest.peerDependencies ?? {}).flatMap((peer) => {
    const version = versions[peer];
    return version === undefined ? [] : [`${peer}@${version}`];
  });
  install(work, stint, ...peers);
  importAll(work, ADAPTERS);

  const { bin = {}, version } = readManifest(resolve(root, "dist/stint"));
  for (const command of Object.keys(bin)) {
    const said = run(work, join(work, "node_modules/.bin", command), "--version");
    check(said.includes(version), `the installed ${command} says its version`);
  }

  const stintCommand = join(work, "node_modules/.bin/stint");
  for (const { claim, command, isSo } of usesOf(stintCommand, work)) {
    const [program = "", ...args] = command;
    check(isSo(run(work, program, ...args)), `installed, ${claim}`);
  }

  // A test that is started by itself has no node_modules/.bin on its PATH.
  const testing =
    'const { startDevBroker } = await import("stint-sdk/testing"); await (await startDevBroker()).stop();';
  run(work, process.execPath, "--input-type=module", "--eval", testing);
  check(true, "the installed SDK finds the installed broker without PATH");

  const shown = [stint, sdk].map((tarball) => relative(root, tarball));
  console.log(`\nInstall the broker and its commands:  npm install --global ./${shown[0]}`);
  console.log(`Install the SDK in a project of yours: npm install ${join("<this checkout>", shown[1] ?? "")}`);
  console.log("What is in them (CycloneDX):           dist/packages/*.cdx.json");
} finally {
  rmSync(work, { recursive: true, force: true });
}
