import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { put } from "../image/put.ts";
import { type Architecture, PORT } from "../pack/architecture.ts";
import { flagsOf, putBeside } from "../pack/beside.ts";
import type { Parts } from "../pack/bill.ts";
import type { Manifest } from "../pack/manifest.ts";
import { nodejsOf } from "../pack/nodejs.ts";
import { settleModes } from "./modes.ts";

/** No two builds are told apart by their time; npm gives the files of its tarballs the same: 1985-10-26T08:15:00Z. */
const EPOCH_SECONDS = 499_162_500;
/** Where the package has all that is its own. */
const HOME = "usr/lib/stint";
const DOC = "usr/share/doc/stint";
const SCRIPTS = ["postinst", "prerm", "postrm"];
/** The C library and C++'s that Node.js and the native parts of packages are linked with; Debian 12 has 2.36 and 12. */
const DEPENDS = "adduser, libc6 (>= 2.34), libgcc-s1, libstdc++6 (>= 11)";

/** Nobody's address: SECURITY.md says how to report what is wrong. */
const MAINTAINER = "The Stint authors <stint@localhost>";

/**
 * Builds the Debian package: the same bytes for the same contents.
 *
 * @param stint - the npm package, as a folder.
 * @returns the file's name without its ending, and the folders of all packages that are in it.
 * @throws Error where there is no dpkg-deb
 */
export function writeDebian(
  root: string,
  stint: string,
  { bundled, installed }: Parts,
  { version, description }: Manifest,
  work: string,
  into: string,
  architecture: Architecture,
): { readonly name: string; readonly inside: ReadonlySet<string> } {
  const at = (...parts: readonly string[]): string => join(work, ...parts);
  rmSync(work, { recursive: true, force: true });
  const files = join(root, "deploy/debian");
  put(stint, at(HOME));
  const beside = putBeside(root, installed, at(HOME), architecture);
  const node = nodejsOf(root, architecture);
  put(join(node, "bin/node"), at(HOME, "bin/node"));
  put(join(node, "LICENSE"), at(DOC, "NODEJS-LICENSE"));
  for (const name of ["README.md", "THIRD-PARTY-NOTICES"]) {
    put(join(stint, name), at(DOC, name));
    rmSync(at(HOME, name));
  }
  rmSync(at(HOME, "LICENSE"));
  put(join(root, "docs/guides/operator.md"), at(DOC, "operator.md"));
  put(join(files, "copyright"), at(DOC, "copyright"));
  put(join(files, "lintian-overrides"), at("usr/share/lintian/overrides/stint"));
  put(join(files, "stintd.service"), at("lib/systemd/system/stintd.service"));
  mkdirSync(at("etc/stint"), { recursive: true });
  for (const name of ["stint", "stintd"]) {
    const program = join(HOME, "dist/bundle/esm", `${name}.js`);
    const command = [`/${HOME}/bin/node`, ...flagsOf(at(program)), `/${program}`, '"$@"'];
    write(at("usr/bin", name), `#!/bin/sh\nexec ${command.join(" ")}\n`);
  }
  // A version before another one sorts so in Debian only behind a tilde.
  const debianVersion = version.replace("-", "~");
  const date = new Date(EPOCH_SECONDS * 1_000).toUTCString().replace("GMT", "+0000");
  const entry = `stint (${debianVersion}) stable; urgency=medium\n\n  * See CHANGELOG.md of this version.\n\n -- ${MAINTAINER}  ${date}\n`;
  write(at(DOC, "changelog.gz"), gzipSync(entry, { level: 9 }));

  const programs = new Set([at(HOME, "bin/node"), at("usr/bin/stint"), at("usr/bin/stintd")]);
  const bytes = settleModes(work, programs).reduce((sum, file) => sum + statSync(file).size, 0);
  for (const script of SCRIPTS) {
    put(join(files, script), at("DEBIAN", script));
    chmodSync(at("DEBIAN", script), 0o755);
  }
  const control = {
    Package: "stint",
    Version: debianVersion,
    Architecture: PORT[architecture],
    Maintainer: MAINTAINER,
    "Installed-Size": Math.ceil(bytes / 1_024),
    Depends: DEPENDS,
    Section: "admin",
    Priority: "optional",
    Description: `credential broker for AI agents\n ${description}.\n .\n The daemon stintd, its command line stint, and the Node.js that both run on.`,
  };
  write(
    at("DEBIAN/control"),
    `${Object.entries(control)
      .map(([key, value]) => `${key}: ${value}`)
      .join("\n")}\n`,
  );
  for (const name of ["DEBIAN", "DEBIAN/control"]) chmodSync(at(name), name === "DEBIAN" ? 0o755 : 0o644);

  const name = `stint_${debianVersion}_${PORT[architecture]}`;
  // One thread of a fixed level: what a compressor writes depends on both.
  execFileSync(
    "dpkg-deb",
    ["--root-owner-group", "-Zxz", "-z1", "--threads-max=1", "--build", work, join(into, `${name}.deb`)],
    {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(EPOCH_SECONDS) },
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  return { name, inside: new Set([...bundled, ...beside]) };
}

function write(file: string, contents: string | Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, contents);
}
