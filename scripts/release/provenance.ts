import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** What `make release` is, where a statement has to name it: docs/guides/install.md says what it does. */
const BUILD_TYPE = "urn:stint:make-release:1";
/** Whoever runs it; who that was is for the signature to say. */
const BUILDER = "urn:stint:make-release";

/**
 * Writes of which commit the files of a folder were built, with what, and which files they are: what npm and SLSA call provenance, unsigned.
 *
 * @param nodejs - a package URL.
 * @returns whether it was written: a checkout that is no repository, or is changed, is of no commit.
 * @see in-toto Statement v1, SLSA Provenance v1
 */
export function writeProvenance(root: string, folder: string, version: string, nodejs: string): boolean {
  const commit = commitOf(root);
  if (commit === undefined) return false;
  const bytes = (name: string) => readFileSync(join(folder, name));
  const names = readdirSync(folder).toSorted();
  const ofNpm = names.filter((name) => name.endsWith(".tgz"));
  const lock = readFileSync(join(root, "package-lock.json"));
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [
      ...names.map((name) => ({ name, digest: { sha256: digestOf("sha256", bytes(name)) } })),
      // By the name and the digest that npm asks about.
      ...ofNpm.map((name) => ({
        name: `pkg:npm/${name.slice(0, -`-${version}.tgz`.length)}@${version}`,
        digest: { sha512: digestOf("sha512", bytes(name)) },
      })),
    ],
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: { target: "release" },
        internalParameters: { node: process.version, npm: said("npm"), "dpkg-deb": said("dpkg-deb"), tar: said("tar") },
        resolvedDependencies: [
          { name: "source", digest: { gitCommit: commit } },
          // It names all packages, by their digests.
          { name: "package-lock.json", digest: { sha256: digestOf("sha256", lock) } },
          { uri: nodejs },
        ],
      },
      runDetails: { builder: { id: BUILDER } },
    },
  };
  writeFileSync(join(folder, `stint-${version}.intoto.json`), `${JSON.stringify(statement, null, 2)}\n`);
  return true;
}

/** The commit that a checkout is, without a change. */
function commitOf(root: string): string | undefined {
  const git = (...args: readonly string[]) => {
    const { status, stdout } = spawnSync("git", args, { cwd: root, encoding: "utf8" });
    return status === 0 ? stdout.trim() : undefined;
  };
  // A copy that lies in another repository's folder is not of its commit.
  if (git("rev-parse", "--show-toplevel") !== realpathSync(root) || git("status", "--porcelain") !== "")
    return undefined;
  return git("rev-parse", "HEAD");
}

function digestOf(algorithm: string, bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest("hex");
}

/** The first line of what a tool says of its version; absent where it is not there. */
function said(tool: string): string | undefined {
  const { status, stdout } = spawnSync(tool, ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.split("\n", 1)[0] : undefined;
}
