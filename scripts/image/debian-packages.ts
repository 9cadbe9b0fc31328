import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Architecture, PORT } from "../pack/architecture.ts";
import type { Component } from "../pack/bill.ts";

type Pins = Readonly<
  Record<string, { readonly version: string; readonly sha256: Readonly<Record<"amd64" | "arm64", string>> }>
>;

const PINS = "scripts/image/debian.json";

function pinsOf(root: string): Pins {
  return JSON.parse(readFileSync(resolve(root, PINS), "utf8")) as Pins;
}

/**
 * The pinned packages of Debian, which are fetched where they are not there.
 *
 * @param downloads - a folder that keeps them.
 * @returns their files.
 * @throws Error when Debian gives another file than the pinned one, or none any more
 */
export function debianPackages(root: string, architecture: Architecture, downloads: string): readonly string[] {
  const port = PORT[architecture];
  const pinned = Object.entries(pinsOf(root)).map(([name, { version, sha256 }]) => ({
    ...{ wanted: `${name}=${version}`, sha256: sha256[port] },
    file: join(downloads, `${sha256[port]}.deb`),
  }));
  mkdirSync(downloads, { recursive: true });
  const missing = pinned.filter(({ file }) => !existsSync(file));
  if (missing.length > 0) {
    const wanted = missing.map((one) => one.wanted);
    const fetched = fetchDebian(wanted, port, downloads);
    for (const { sha256, wanted: name, file } of missing) {
      const from = fetched.get(sha256);
      if (from === undefined) throw new Error(`${name} for ${port} is not the package that ${PINS} pins`);
      renameSync(from, file);
    }
  }
  return pinned.map(({ file }) => file);
}

/** Fetches packages with lists of its own, so that the machine's may be old, or of another architecture. @returns files by digest. */
function fetchDebian(wanted: readonly string[], port: string, downloads: string): ReadonlyMap<string, string> {
  const state = mkdtempSync(join(downloads, "apt-"));
  for (const folder of ["state/lists/partial", "cache/archives/partial", "files"]) {
    mkdirSync(join(state, folder), { recursive: true });
  }
  writeFileSync(join(state, "state/status"), "");
  const settings = {
    "APT::Architecture": port,
    "APT::Architectures": port,
    // It may not go into a folder of a home directory.
    "APT::Sandbox::User": "root",
    "Dir::State": join(state, "state"),
    "Dir::State::status": join(state, "state/status"),
    "Dir::Cache": join(state, "cache"),
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ["--option", `${key}=${value}`]);
  const apt = (...args: readonly string[]) =>
    execFileSync("apt-get", [...options, "--quiet=2", ...args], { cwd: join(state, "files"), stdio: "pipe" });
  try {
    apt("update");
    apt("download", ...wanted);
    const files = globSync("*.deb", { cwd: join(state, "files") });
    return new Map(
      files.map((name) => {
        const bytes = readFileSync(join(state, "files", name));
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        const kept = `${state}-${sha256}.part`;
        writeFileSync(kept, bytes);
        return [sha256, kept];
      }),
    );
  } finally {
    rmSync(state, { recursive: true });
  }
}

/** The same, for a list of what something consists of. */
export function debianComponents(root: string, architecture: Architecture): readonly Component[] {
  const port = PORT[architecture];
  return Object.entries(pinsOf(root)).map(([name, { version, sha256 }]) => {
    const purl = `pkg:deb/debian/${name.replaceAll("+", "%2B")}@${encodeURIComponent(version)}?arch=${port}&distro=bookworm`;
    return {
      "bom-ref": purl,
      type: "library",
      ...{ name, version, scope: "required", purl },
      hashes: [{ alg: "SHA-256", content: sha256[port] }],
      properties: [{ name: "stint:delivery", value: "bundled" }],
    };
  });
}
