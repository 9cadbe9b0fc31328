import { execFile, execFileSync, spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isMissing } from "../conformance/toolchain.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** All that a release is built from. */
const SOURCES = [
  ...["src", "scripts", "migrations", "policies", "proto", "frameworks", "node_modules", "README.md", "LICENSE"],
  ...["package.json", "package-lock.json", "tsconfig.json", "tsconfig.sdk.json"],
];
/** Two builds, each of which takes ten seconds of a processor. */
const BUILDS_MS_MAX = 300_000;

type Component = {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes?: readonly object[];
  readonly properties: readonly { readonly name: string; readonly value: string }[];
};
type Bill = {
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
};

const isUnable = isMissing(
  {
    name: "OpenSSH, tar or sha256sum",
    commands: [
      ["sh", "-c", "command -v ssh-keygen"],
      ["tar", "--version"],
      ["sha256sum", "--version"],
    ],
  },
  "the release",
);

describe.skipIf(isUnable)("a release", () => {
  const work = mkdtempSync(join(tmpdir(), "stint-release-"));
  // Beside the checkout's own files, for hard links.
  const copies = resolve(ROOT, "build/test/release");
  const key = join(work, "key");
  let [one, two] = ["", ""];

  beforeAll(async () => {
    rmSync(copies, { recursive: true, force: true });
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key]);
    one = await built(join(copies, "one"), { RELEASE_KEY: key, NODE_ENV: "production" });
    two = await built(join(copies, "deep/below/another"), { NODE_ENV: "development" });
  }, BUILDS_MS_MAX);
  afterAll(() => {
    for (const folder of [work, copies]) rmSync(folder, { recursive: true, force: true });
  });

  test("is the same, byte for byte, when it is built in another place and for another NODE_ENV", () => {
    const names = readdirSync(two);
    expect(readdirSync(one).filter((name) => name !== "SHA256SUMS.sig")).toEqual(names);
    expect(names).toEqual(expect.arrayContaining(["stint-0.1.0.tgz", "stint-sdk-0.1.0.tgz"]));
    expect(names.filter((name) => !readFileSync(join(one, name)).equals(readFileSync(join(two, name))))).toEqual([]);
  });

  test("has a list of digests that names every file and that sha256sum checks", () => {
    const listed = readFileSync(join(one, "SHA256SUMS"), "utf8").trim().split("\n");
    const names = readdirSync(one).filter((name) => !name.startsWith("SHA256SUMS"));
    expect(listed.map((line) => line.slice(66))).toEqual(names);
    execFileSync("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: one });
  });

  test("is signed: OpenSSH knows the list as the key's, and neither another list nor a signature for another purpose", () => {
    const allowed = join(one, "stint-release.allowed");
    writeFileSync(allowed, `release ${readFileSync(`${key}.pub`, "utf8")}`);
    const sums = join(one, "SHA256SUMS");
    const verified = (file: string, namespace: string) =>
      spawnSync("ssh-keygen", ["-Y", "verify", "-f", allowed, "-I", "release", "-n", namespace, "-s", `${sums}.sig`], {
        stdio: [openSync(file, "r"), "ignore", "ignore"],
      }).status;
    const altered = join(work, "altered");
    writeFileSync(
      altered,
      readFileSync(sums, "utf8").replace(/^./, (digit) => (digit === "0" ? "1" : "0")),
    );
    expect(verified(sums, "stint-release")).toBe(0);
    expect(verified(altered, "stint-release")).not.toBe(0);
    expect(verified(sums, "file")).not.toBe(0);
    // As the guide tells users to.
    execFileSync("bash", ["-e", join(ROOT, "test/docs/verify-release.sh")], { cwd: one, stdio: "ignore" });
    rmSync(allowed);
  });

  test("is not begun with a key that is not there", () => {
    const env = { ...process.env, RELEASE_KEY: join(work, "none") };
    const said = spawnSync(process.execPath, ["scripts/release.ts"], {
      cwd: join(copies, "one"),
      env,
      encoding: "utf8",
    });
    expect([said.status, said.stdout]).toEqual([1, ""]);
    expect(said.stderr).toContain("RELEASE_KEY names no file");
    expect(readdirSync(one)).toContain("SHA256SUMS.sig");
  });

  test("lists every package of which the programs have a module, the console's too, and the notices name the same", () => {
    const bill = billOf(one, "stint");
    const folder = unpacked(one, "stint-0.1.0.tgz");
    const bundled = bill.components.filter((one) => deliveryOf(one) === "bundled");
    // What the bundler itself says, file by file.
    const programs = globSync("dist/bundle/esm/*.js", { cwd: folder }).map((file) =>
      readFileSync(join(folder, file), "utf8"),
    );
    const regions = programs.flatMap((text) => [
      ...text.matchAll(/^\s*\/\/ (?:\S*\/)?node_modules\/((?:@[^/]+\/)?[^/\n]+)/gm),
    ]);
    const inside = new Set(regions.map(([, name]) => name));
    const names = new Set(bundled.map(({ name }) => name));
    expect(inside.size).toBeGreaterThan(50);
    expect([...inside].filter((name) => !names.has(name ?? ""))).toEqual([]);
    expect(names).toContain("preact");

    const notices = readFileSync(join(folder, "THIRD-PARTY-NOTICES"), "utf8")
      .split(`\n\n${"=".repeat(80)}\n\n`)
      .slice(1);
    expect(bundled.map(({ name, version }) => `${name} ${version}`).toSorted()).toEqual(
      notices.map((notice) => notice.slice(0, notice.indexOf(" ("))).toSorted(),
    );
  });

  test.for(["stint", "stint-sdk"])(
    "lists what npm installs beside %s, with digests, each reachable from it",
    (name) => {
      const bill = billOf(one, name);
      const manifest = JSON.parse(readFileSync(join(unpacked(one, `${name}-0.1.0.tgz`), "package.json"), "utf8"));
      const installed = bill.components.filter((one) => deliveryOf(one) === "installed").map((one) => one.name);
      expect(installed).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies)));
      expect(bill.components.filter(({ hashes = [] }) => hashes.length === 0)).toEqual([]);
      const reached = new Set([`pkg:npm/${name}@0.1.0`]);
      for (const ref of reached) {
        for (const next of bill.dependencies.find((one) => one.ref === ref)?.dependsOn ?? []) reached.add(next);
      }
      expect(bill.components.filter(({ purl }) => !reached.has(purl))).toEqual([]);
    },
  );

  /** Copies the checkout, as hard links, and builds there. */
  async function built(copy: string, environment: Readonly<Record<string, string>>): Promise<string> {
    mkdirSync(copy, { recursive: true });
    execFileSync("cp", ["--archive", "--link", ...SOURCES, copy], { cwd: ROOT });
    const env = { ...process.env, ...environment };
    await promisify(execFile)(process.execPath, ["scripts/release.ts"], { cwd: copy, env });
    return join(copy, "dist/release");
  }

  function unpacked(release: string, tarball: string): string {
    const folder = join(work, tarball);
    mkdirSync(folder, { recursive: true });
    execFileSync("tar", ["--extract", "--file", join(release, tarball), "--directory", folder]);
    return join(folder, "package");
  }
});

function billOf(release: string, name: string): Bill {
  return JSON.parse(readFileSync(join(release, `${name}-0.1.0.cdx.json`), "utf8")) as Bill;
}

function deliveryOf({ properties }: Component): string | undefined {
  return properties.find(({ name }) => name === "stint:delivery")?.value;
}
