import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { isMissing } from "../conformance/toolchain.ts";
import { KEPT_BUILDS } from "../kept-builds.ts";

const { version, commit } = JSON.parse(readFileSync(join(import.meta.dirname, "previous.json"), "utf8")) as {
  readonly version: string;
  readonly commit: string;
};

/** npm installs four hundred packages, and a compiler compiles the SDK; every later run finds both done. */
export const BUILD_MS_MAX = 600_000;

/** The minor before this one, as it was packed: what is upgraded from. */
export type Previous = {
  readonly version: string;
  /** Its programs, for processes of their own. */
  readonly stint: string;
  readonly stintd: string;
  /** A module of its SDK, by the name under which it is exported: `runtime`. */
  sdk(name: string): Promise<unknown>;
};

/** An archive and a shallow clone have this commit alone, wherever they are tested. */
export const isWithoutPrevious =
  isMissing({ name: "flock", commands: [["flock", "--version"]] }, "upgrade and downgrade") || !isInHistory();

function isInHistory(): boolean {
  if (spawnSync("git", ["cat-file", "-e", `${commit}^{commit}`], { stdio: "ignore" }).status === 0) return true;
  process.stderr.write(`upgrade and downgrade are skipped: the history does not go back to ${version}\n`);
  return false;
}

/** A file of its checkout, as it was committed. */
export function previousFile(path: string): string {
  return execFileSync("git", ["show", `${commit}:${path}`], { encoding: "utf8" });
}

/** Builds it where no run before has. Test files that want it at the same time wait for the first. */
export async function previousMinor(): Promise<Previous> {
  const builds = join(KEPT_BUILDS, "previous");
  mkdirSync(builds, { recursive: true });
  const folder = join(builds, commit);
  const build = [process.execPath, resolve(import.meta.dirname, "build-previous.ts"), commit, folder];
  await promisify(execFile)("flock", [join(builds, ".lock"), ...build]);

  const stint = join(folder, "dist/stint");
  const { bin } = manifestIn(stint);
  const sdk = join(folder, "dist/stint-sdk");
  const { exports } = manifestIn(sdk);
  return {
    version,
    stint: join(stint, bin["stint"] ?? ""),
    stintd: join(stint, bin["stintd"] ?? ""),
    sdk: (name) => import(pathToFileURL(join(sdk, exports[`./${name}`]?.default ?? "")).href),
  };
}

function manifestIn(folder: string) {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    readonly version: string;
    readonly bin: Readonly<Record<string, string>>;
    readonly exports: Readonly<Record<string, { readonly default: string }>>;
  };
  if (manifest.version !== version) throw new Error(`${commit} is ${manifest.version}, and not ${version}`);
  return manifest;
}
