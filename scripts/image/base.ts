import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Architecture } from "../pack/architecture.ts";
import { nodejsOf } from "../pack/nodejs.ts";
import { debianPackages } from "./debian-packages.ts";
import { put } from "./put.ts";

/** What Node.js and the native parts of packages are linked with: all of it that is in the image. */
const LIBRARIES: Readonly<Record<Architecture, readonly string[]>> = {
  x64: ["lib/x86_64-linux-gnu/libc.so.6", "lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu/libstdc++.so.6"],
  arm64: ["lib/aarch64-linux-gnu/libc.so.6", "lib/ld-linux-aarch64.so.1", "usr/lib/aarch64-linux-gnu/libstdc++.so.6"],
};
const PARTS = ["lib/**/*.so*", "lib64/*", "usr/lib/*-linux-gnu/libstdc++.so.*", "usr/share/doc/*/copyright"];

/**
 * Fills a folder with the lowest layer: the C libraries of Debian 12, Node.js, and the names of the two users. No shell, no package
 * manager, no certificates: Node.js has its own.
 *
 * @param downloads - a folder that keeps what is fetched.
 * @param uid - the user that the image runs as.
 * @throws Error when Debian gives another file than the pinned one, or none any more
 */
export function fillBase(
  root: string,
  folder: string,
  architecture: Architecture,
  downloads: string,
  uid: number,
): void {
  const unpacked = `${folder}.debian`;
  mkdirSync(unpacked, { recursive: true });
  for (const file of debianPackages(root, architecture, downloads)) {
    execFileSync("dpkg-deb", ["--extract", file, unpacked]);
  }
  for (const path of globSync(PARTS, { cwd: unpacked })) put(join(unpacked, path), join(folder, path));
  rmSync(unpacked, { recursive: true });
  for (const library of LIBRARIES[architecture]) {
    if (!existsSync(join(folder, library))) throw new Error(`no ${library} in Debian's packages`);
  }

  const node = nodejsOf(root, architecture);
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
