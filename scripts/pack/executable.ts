import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, globSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { THREAD } from "../../src/package/start.ts";
import { writeTar } from "../image/tar.ts";
import { settleModes } from "../release/modes.ts";
import { type Architecture, ownArchitecture } from "./architecture.ts";
import { koffiOf } from "./beside.ts";
import { BUNDLE, noticesOf, packageOf, writePrograms } from "./bundle.ts";
import { KOFFI, SQLITE, WASM } from "./inside.ts";
import { lockedPackage } from "./locked.ts";
import { nodejsOf } from "./nodejs.ts";

/** What of the package the programs read, beside one another. */
const READ = ["dist/console", "frameworks", "migrations", "policies", "package.json"];
const POSTJECT = fileURLToPath(import.meta.resolve("postject/dist/cli.js"));
const MAIN = "executable.cjs";
const BLOB = "inside.blob";
/** As Node.js has them: where it looks for what is inside, and how it knows that something is. */
const SECTION = "NODE_SEA_BLOB";
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";
/** Of those that `stintd` has in its first line what costs `stint` nothing: the others would have Node.js compile its own modules anew. */
const FLAGS = ["--disable-sigusr1", "--max-semi-space-size=8"];

/** What an executable has inside on every processor. */
export type Inside = {
  readonly folder: string;
  /** The npm package, as a folder. */
  readonly stint: string;
  /** Folders of the packages whose code is in it. */
  readonly bundled: ReadonlySet<string>;
};

/**
 * Writes what is inside of executables into a folder.
 *
 * @param stint - the npm package, as a folder.
 * @param console - folders of the packages whose code is in its console.
 */
export async function writeInside(
  root: string,
  stint: string,
  folder: string,
  console: ReadonlySet<string>,
): Promise<Inside> {
  rmSync(folder, { recursive: true, force: true });
  const modules = await writePrograms(root, join(folder, BUNDLE), "inside");
  for (const name of READ) cpSync(join(stint, name), join(folder, name), { recursive: true });
  cpSync(join(lockedPackage(root, root, "@cedar-policy/cedar-wasm"), "nodejs", WASM), join(folder, WASM));
  for (const [source, name] of [
    ["executable", MAIN],
    ["executable-thread", THREAD],
  ] as const) {
    const bundle = await rolldown({ cwd: root, platform: "node", input: join(root, `src/package/${source}.ts`) });
    await bundle.write({ file: join(folder, name), format: "cjs" });
  }
  return { folder, stint, bundled: new Set([...modules.flatMap(packageOf), ...console]) };
}

/**
 * Writes the executable for a processor, with what has to come with it, as a compressed tar: the same bytes for the same contents.
 *
 * @param name - of the folder in the tar, and of the file without its ending.
 * @returns the folders of all packages that are in it, in a checkout that has all of them.
 */
export function writeExecutable(
  root: string,
  { folder, stint, bundled }: Inside,
  architecture: Architecture,
  name: string,
  work: string,
  into: string,
): ReadonlySet<string> {
  rmSync(work, { recursive: true, force: true });
  const out = join(work, name);
  mkdirSync(out, { recursive: true });
  const sqlite = lockedPackage(root, root, "better-sqlite3");
  const koffi = lockedPackage(root, root, koffiOf(architecture));
  cpSync(join(sqlite, `prebuilds/linux-${architecture}.node`), join(folder, SQLITE));
  cpSync(join(koffi, `linux_${architecture}/koffi.node`), join(folder, KOFFI));

  const node = nodejsOf(root, architecture);
  const program = join(out, "stint");
  cpSync(join(node, "bin/node"), program);
  chmodSync(program, 0o755);
  // It warns of sections that Node.js has no names for, which is as it should be.
  const injecting = [POSTJECT, program, SECTION, blobOf(root, folder), "--sentinel-fuse", FUSE];
  execFileSync(process.execPath, injecting, { stdio: "pipe" });
  symlinkSync("stint", join(out, "stintd"));
  for (const file of ["LICENSE", "README.md"]) cpSync(join(stint, file), join(out, file));
  cpSync(join(node, "LICENSE"), join(out, "NODEJS-LICENSE"));
  writeFileSync(join(out, "THIRD-PARTY-NOTICES"), noticesOf(new Set([...bundled, koffi])));
  settleModes(out, new Set([program]));

  const tar = join(work, `${name}.tar`);
  writeTar(work, tar, undefined, [name]);
  writeFileSync(join(into, `${name}.tar.gz`), gzipSync(readFileSync(tar), { level: 6 }));
  rmSync(tar);
  return new Set([...bundled, join(root, "node_modules", koffiOf(architecture))]);
}

/** Has the pinned Node.js put what is in a folder into one file, which is what it looks for at its start. */
function blobOf(root: string, folder: string): string {
  const names = globSync("**", { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== MAIN && entry.name !== BLOB)
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
  const settings = {
    main: MAIN,
    output: BLOB,
    disableExperimentalSEAWarning: true,
    execArgv: FLAGS,
    assets: Object.fromEntries(names.map((name) => [name, name])),
  };
  const file = `${folder}.json`;
  writeFileSync(file, JSON.stringify(settings));
  // From the folder: paths of what it is given are in what it writes.
  execFileSync(join(nodejsOf(root, ownArchitecture()), "bin/node"), ["--experimental-sea-config", file], {
    cwd: folder,
    stdio: "pipe",
  });
  return join(folder, BLOB);
}
