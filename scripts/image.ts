// Builds the container image of the broker without a container runtime, a tar of an OCI image layout: `node scripts/image.ts [FILE] [x64|arm64]`.
// The same checkout gives the same bytes. On Debian or its like, for apt-get, dpkg-deb and GNU tar.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import process from "node:process";
import { writeImage } from "./image/image.ts";
import { architecturesOf, ownArchitecture, PORT } from "./pack/architecture.ts";
import { packStint } from "./pack/stint.ts";

const root = resolve(import.meta.dirname, "..");
const [, , output = "dist/image/stint.oci.tar", asked = ownArchitecture()] = process.argv;
const file = resolve(root, output);

// A folder of its own: another image may be built at the same time.
mkdirSync(join(root, "build"), { recursive: true });
const work = mkdtempSync(join(root, "build/image-"));
try {
  const stint = join(work, "stint");
  const { installed } = await packStint(root, stint);
  for (const architecture of architecturesOf(asked)) {
    const { name } = writeImage(root, { stint, installed }, architecture, work, file);
    console.log(`${relative(root, file)}: ${name}, linux/${PORT[architecture]}`);
  }
} finally {
  rmSync(work, { recursive: true });
}
