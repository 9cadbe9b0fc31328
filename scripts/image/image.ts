import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Architecture, PORT } from "../pack/architecture.ts";
import { flagsOf, putBeside } from "../pack/beside.ts";
import { readManifest } from "../pack/manifest.ts";
import { settleModes } from "../release/modes.ts";
import { fillBase } from "./base.ts";
import { writeLayout } from "./layout.ts";
import { put } from "./put.ts";
import { writeTar } from "./tar.ts";

/** As in other images without a shell: nobody on the host. */
const UID = 65_532;
const HOME = "opt/stint";
const PROGRAMS = `${HOME}/dist/bundle/esm`;
const NODE = "/usr/local/bin/node";
/** What the broker writes: its data, and its sockets. A volume goes where either is; the rest of the root can be read-only. */
const WRITTEN = ["var/lib/stint", "run/stint"];

/**
 * Writes the container image, as a tar of an OCI image layout: the same bytes for the same contents.
 *
 * @param given.stint - the package, as a folder.
 * @param given.installed - packages that npm would install beside it.
 * @returns the image's name, and the folders of the packages that were put beside.
 * @throws Error where there is no apt-get, dpkg-deb or GNU tar, or Debian gives another file than the pinned one
 */
export function writeImage(
  root: string,
  given: { readonly stint: string; readonly installed: readonly string[] },
  architecture: Architecture,
  work: string,
  file: string,
): { readonly name: string; readonly beside: readonly string[] } {
  const [base, app, state] = [join(work, "base"), join(work, "app"), join(work, "state")] as const;
  const layout = join(work, "layout");
  for (const folder of [base, app, state, layout]) rmSync(folder, { recursive: true, force: true });

  // Not below what is made anew: what Debian gave once is not asked for again.
  fillBase(root, base, architecture, join(root, "build/debian-packages"), UID);
  const home = join(app, HOME);
  put(given.stint, home);
  const beside = putBeside(root, given.installed, home, architecture);
  const command = join(app, "usr/local/bin/stint");
  mkdirSync(dirname(command), { recursive: true });
  // The kernel runs it by its first line: there is neither a shell nor env.
  writeFileSync(command, `#!${NODE}\nimport "/${PROGRAMS}/stint.js";\n`);
  settleModes(app, new Set([command]));
  for (const folder of WRITTEN) mkdirSync(join(state, folder), { recursive: true });

  const layers = [base, app, state].map((folder) => `${folder}.tar`);
  const [baseTar = "", appTar = "", stateTar = ""] = layers;
  writeTar(base, baseTar);
  writeTar(app, appTar);
  writeTar(state, stateTar, { id: UID, mode: "u=rwx,go=x" }, WRITTEN);
  const { version, license } = readManifest(join(home, "package.json"));
  const name = `stint:${version}`;
  const stintd = `${PROGRAMS}/stintd.js`;
  writeLayout(
    layout,
    name,
    {
      User: `${UID}:${UID}`,
      Entrypoint: [NODE, ...flagsOf(join(app, stintd)), `/${stintd}`],
      Cmd: ["run", "--config", "/etc/stint/stint.yaml"],
      Env: ["PATH=/usr/local/bin"],
      WorkingDir: "/",
      Labels: {
        "org.opencontainers.image.title": "stint",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.licenses": license,
      },
    },
    PORT[architecture],
    layers,
  );
  mkdirSync(dirname(file), { recursive: true });
  writeTar(layout, file);
  return { name, beside };
}
