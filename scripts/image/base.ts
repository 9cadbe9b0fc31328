import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { nodejsOf } from "../pack/nodejs.ts";

type Pins = Readonly<Record<string, { readonly version: string; readonly sha256: string }>>;

/** What Node.js and the native parts of packages are linked with: all of it that is in the image. */
const LIBRARIES = ["lib/x86_64-linux-gnu", "lib64", "usr/lib/x86_64-linux-gnu"];
const PARTS = ["lib/**/*.so*", "lib64/*", "usr/lib/x86_64-linux-gnu/libstdc++.so.*", "usr/share/doc/*/copyright"];

/**
 * Fills a folder with the lowest layer: the C libraries of Debian 12, Node.js, and the names of the two users. No shell, no package
 * manager, no certificates: Node.js has its own.
 *
 * @param uid - the user that the image runs as.
 * @throws Error when Debian gives another file than the pinned one, or none any more
 */
export function fillBase(root: string, folder: string, downloads: string, uid: number): void {
  const pins = JSON.parse(readFileSync(resolve(root, "scripts/image/debian.json"), "utf8")) as Pins;
  const unpacked = `${folder}.debian`;
  for (const [name, { version, sha256 }] of Object.entries(pins)) {
    execFileSync("dpkg-deb", ["--extract", downloaded(name, version, sha256, downloads), unpacked]);
  }
  for (const path of globSync(PARTS, { cwd: unpacked })) put(join(unpacked, path), join(folder, path));
  rmSync(unpacked, { recursive: true });
  for (const library of LIBRARIES) {
    if (!existsSync(join(folder, library))) throw new Error(`no ${library} in Debian's packages`);
  }

  const node = nodejsOf(root, "x64");
  put(join(node, "bin/node"), join(folder, "usr/local/bin/node"));
  put(join(node, "LICENSE"), join(folder, "usr/share/doc/nodejs/copyright"));

  mkdirSync(join(folder, "etc/stint"), { recursive: true });
  const users = ["root:x:0:0:root:/:/nonexistent", `stint:x:${uid}:${uid}:stint:/nonexistent:/nonexistent`];
  writeFileSync(join(folder, "etc/passwd"), `${users.join("\n")}\n`);
  writeFileSync(join(folder, "etc/group"), `root:x:0:\nstint:x:${uid}:\n`);
  // Names of hosts first by file, as everywhere; without the file the C library would ask DNS for localhost.
  writeFileSync(join(folder, "etc/nsswitch.conf"), "hosts: files dns\n");
  // Where a container has something mounted, on a root that is read-only.
  for (const mounted of ["proc", "sys", "dev", "run", "tmp", "var/lib"]) {
    mkdirSync(join(folder, mounted), { recursive: true });
  }
}

function downloaded(name: string, version: string, sha256: string, downloads: string): string {
  mkdirSync(downloads, { recursive: true });
  const file = join(downloads, `${sha256}.deb`);
  if (!existsSync(file)) {
    const before = new Set(globSync("*_*.deb", { cwd: downloads }));
    execFileSync("apt-get", ["download", "--quiet=2", `${name}=${version}`], { cwd: downloads, stdio: "pipe" });
    const [fetched = ""] = globSync("*_*.deb", { cwd: downloads }).filter((one) => !before.has(one));
    copyFileSync(join(downloads, fetched), file);
    rmSync(join(downloads, fetched));
  }
  if (createHash("sha256").update(readFileSync(file)).digest("hex") !== sha256) {
    rmSync(file);
    throw new Error(`${name} ${version} is not the package that scripts/image/debian.json pins`);
  }
  return file;
}

function put(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { verbatimSymlinks: true, recursive: true });
}
