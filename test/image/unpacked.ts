import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { isMissing } from "../conformance/toolchain.ts";

export const ROOT = resolve(import.meta.dirname, "../..");
/** Debian's packages, the bundle, and two tars of 150 MB. */
export const BUILD_MS_MAX = 300_000;

export type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number };
type Config = {
  readonly User: string;
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Env: readonly string[];
};

export type Unpacked = {
  readonly rootfs: string;
  readonly config: Config;
  /** Of the layers before they are compressed, as the image has them. */
  readonly diffIds: readonly string[];
  readonly layers: readonly Descriptor[];
  blob(of: Descriptor): string;
};

/** Whether the image can't be built and run here: it takes Debian, root, and the image's own architecture. */
export function imageIsUnable(tests: string): boolean {
  const debian = ["dpkg-deb", "apt-get", "tar", "unshare", "nsenter", "setpriv"].map(
    (name) => [name, "--version"] as const,
  );
  return (
    isMissing({ name: "Debian", commands: [...debian, ["ip", "-Version"]] }, tests) ||
    process.getuid?.() !== 0 ||
    process.arch !== "x64"
  );
}

/** Builds the image as `make image` does. */
export async function buildImage(file: string): Promise<void> {
  await promisify(execFile)(process.execPath, ["scripts/image.ts", file], { cwd: ROOT });
}

/** Lays the layers of an image on one another, in a folder. */
export function unpackImage(file: string, folder: string): Unpacked {
  const [layout, rootfs] = [join(folder, "layout"), join(folder, "rootfs")];
  for (const one of [layout, rootfs]) mkdirSync(one, { recursive: true });
  execFileSync("tar", ["--extract", "--file", file, "--directory", layout]);
  const blob = ({ digest }: Descriptor) => join(layout, "blobs", digest.replace(":", "/"));
  const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));
  const manifest = json(blob(json(join(layout, "index.json")).manifests[0]));
  const image = json(blob(manifest.config));
  for (const layer of manifest.layers) {
    const unpack = ["--extract", "--preserve-permissions", "--numeric-owner", "--directory", rootfs];
    execFileSync("tar", [...unpack, "--file", blob(layer)]);
  }
  return { rootfs, config: image.config, diffIds: image.rootfs.diff_ids, layers: manifest.layers, blob };
}
