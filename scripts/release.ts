// Builds what is given to others, in dist/release, `node scripts/release.ts [x64|arm64]`: both npm packages, the executables, the Debian packages, the container images, what each consists of
// (CycloneDX), and SHA256SUMS, signed with the OpenSSH key that RELEASE_KEY names. The same checkout gives the same bytes, wherever it lies. Debian packages
// and images are left out where there is no dpkg-deb, which is said.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { debianComponents } from "./image/debian-packages.ts";
import { writeImage } from "./image/image.ts";
import { architecturesOf, ownArchitecture, PORT } from "./pack/architecture.ts";
import { type Component, writeBill } from "./pack/bill.ts";
import { writeExecutable, writeInside } from "./pack/executable.ts";
import { readManifest } from "./pack/manifest.ts";
import { nodejsComponent } from "./pack/nodejs.ts";
import { packSdk } from "./pack/sdk.ts";
import { packStint } from "./pack/stint.ts";
import { writeDebian } from "./release/debian.ts";
import { settleModes } from "./release/modes.ts";
import { writeProvenance } from "./release/provenance.ts";
import { NAMESPACE, sign, writeSums } from "./release/sums.ts";

const root = resolve(import.meta.dirname, "..");
const work = resolve(root, "build/release");
const release = resolve(root, "dist/release");
const architectures = architecturesOf(process.argv[2]);
const key = process.env["RELEASE_KEY"];
// Told before minutes are spent, and never a release without the signature that was asked for.
if (key !== undefined && !existsSync(key)) throw new Error("RELEASE_KEY names no file");

/** Makes the tarball that `npm publish` would; npm gives each file in it the same time. */
function pack(folder: string): void {
  // The Node.js that runs this script compresses, whatever PATH says.
  const PATH = [dirname(process.execPath), process.env["PATH"]].join(":");
  execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", release], {
    cwd: folder,
    env: { ...process.env, PATH },
    stdio: ["ignore", "ignore", "inherit"],
  });
}

for (const folder of [work, release]) rmSync(folder, { recursive: true, force: true });
mkdirSync(release, { recursive: true });

const [stint, sdk] = [join(work, "stint"), join(work, "stint-sdk")];
const parts = await packStint(root, stint);
packSdk(root, sdk);
const manifest = readManifest(join(stint, "package.json"));
const { version } = manifest;
writeBill(root, stint, join(release, `stint-${version}.cdx.json`), parts);
writeBill(root, sdk, join(release, `stint-sdk-${version}.cdx.json`));
for (const folder of [stint, sdk]) {
  // npm makes programs of what the manifest names as such.
  settleModes(folder);
  pack(folder);
}

const isDebian = spawnSync("dpkg-deb", ["--version"]).status === 0;
if (!isDebian) console.error("There is no dpkg-deb here, and so no Debian package and no image.");
const inside = await writeInside(root, stint, join(work, "inside"), parts.bundled);
for (const architecture of architectures) {
  const listed = (file: string, bundled: ReadonlySet<string>, others: readonly Component[] = []) =>
    writeBill(root, stint, join(release, `${file}.cdx.json`), { bundled, installed: [] }, [
      nodejsComponent(root, architecture),
      ...others,
    ]);
  const executable = `stint-${version}-linux-${architecture}`;
  listed(executable, writeExecutable(root, inside, architecture, executable, join(work, executable), release));
  if (isDebian) {
    const debian = writeDebian(root, stint, parts, manifest, join(work, "debian"), release, architecture);
    listed(debian.name, debian.inside);
    const image = `stint-${version}-oci-${PORT[architecture]}`;
    const given = { stint, installed: parts.installed };
    const { beside } = writeImage(root, given, architecture, join(work, "image"), join(release, `${image}.tar`));
    listed(image, new Set([...parts.bundled, ...beside]), debianComponents(root, architecture));
  }
}

if (!writeProvenance(root, release, version, nodejsComponent(root, ownArchitecture()).purl)) {
  console.error("The checkout is of no commit as it is, and so there is no statement of provenance.");
}
const shown = relative(root, release);
for (const line of writeSums(release)) console.log(line);
if (key === undefined) console.log(`\n${shown}/SHA256SUMS is not signed: RELEASE_KEY names no key.`);
else {
  sign(release, key);
  console.log(`\nWho has the public key in a file ALLOWED, as "release ssh-ed25519 AAAA…", verifies in ${shown}:`);
  console.log(`  ssh-keygen -Y verify -f ALLOWED -I release -n ${NAMESPACE} -s SHA256SUMS.sig < SHA256SUMS`);
}
console.log("Are the files those that are listed:  sha256sum --check SHA256SUMS");
