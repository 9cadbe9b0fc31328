// Builds the container image of the broker without a container runtime: `node scripts/image.ts [FILE]`, a tar of an OCI image layout.
// The same checkout gives the same bytes. On Debian or its like, for apt-get, dpkg-deb and GNU tar; linux/amd64.
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { fillBase } from "./image/base.ts";
import { writeLayout } from "./image/layout.ts";
import { writeTar } from "./image/tar.ts";
import { flagsOf, putBeside } from "./pack/beside.ts";
import { readManifest } from "./pack/manifest.ts";
import { packStint } from "./pack/stint.ts";

const root = resolve(import.meta.dirname, "..");
const work = resolve(root, "build/image");
const [, , output = "dist/image/stint.oci.tar"] = process.argv;
const file = resolve(root, output);

/** As in other images without a shell: nobody on the host. */
const UID = 65_532;
const HOME = "opt/stint";
const STINTD = "dist/bundle/esm/stintd.js";
const [base, app, state] = [join(work, "base"), join(work, "app"), join(work, "state")] as const;
const layout = join(work, "layout");
for (const folder of [base, app, state, layout]) rmSync(folder, { recursive: true, force: true });

fillBase(root, base, join(work, "downloads"), UID);
const stint = join(app, HOME);
const { installed } = await packStint(root, stint);
putBeside(root, installed, stint, "x64");
// What the broker writes: its data, and its sockets. A volume goes where either is; the rest of the root can be read-only.
const written = ["var/lib/stint", "run/stint"];
for (const folder of written) mkdirSync(join(state, folder), { recursive: true });

const layers = [base, app, state].map((folder) => `${folder}.tar`);
const [baseTar = "", appTar = "", stateTar = ""] = layers;
writeTar(base, baseTar);
writeTar(app, appTar);
writeTar(state, stateTar, { id: UID, mode: "u=rwx,go=x" }, written);
const { version, license } = readManifest(join(stint, "package.json"));
writeLayout(
  layout,
  `stint:${version}`,
  {
    User: `${UID}:${UID}`,
    Entrypoint: ["/usr/local/bin/node", ...flagsOf(join(stint, STINTD)), `/${HOME}/${STINTD}`],
    Cmd: ["run", "--config", "/etc/stint/stint.yaml"],
    Env: ["PATH=/usr/local/bin"],
    WorkingDir: "/",
    Labels: {
      "org.opencontainers.image.title": "stint",
      "org.opencontainers.image.version": version,
      "org.opencontainers.image.licenses": license,
    },
  },
  layers,
);
mkdirSync(dirname(file), { recursive: true });
writeTar(layout, file);
console.log(`${relative(root, file)}: stint:${version}, linux/amd64`);
