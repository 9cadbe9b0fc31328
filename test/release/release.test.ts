import { execFile, execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isMissing } from "../conformance/toolchain.ts";
import { keptModules } from "../kept-modules.ts";
import { isWhole } from "./amount.ts";
import { describeExecutable } from "./executable.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
/** All that a release is built from. */
const SOURCES = [
  ...[
    "src",
    "scripts",
    "migrations",
    "policies",
    "proto",
    "frameworks",
    "deploy",
    "docs",
    "node_modules",
    "README.md",
    "LICENSE",
  ],
  ...[".gitignore", "package.json", "package-lock.json", "tsconfig.json", "tsconfig.sdk.json"],
];
/** Where an ELF file says for which processor it is, and 64-bit Arm's number there. */
const [ELF_MACHINE, AARCH64] = [18, 183];
/** A machine that boots, and five starts of a broker on it. */
const BOOT_MS_MAX = 180_000;
/** Packages to download and unpack, once. */
const INSTALL_MS_MAX = 120_000;
/** Where a line of SHA256SUMS has the name: behind the digest and two blanks. */
const NAME_AT = 66;
const STATEMENT = `stint-${VERSION}.intoto.json`;
/** Two builds, each of which takes two minutes of a processor. */
const BUILDS_MS_MAX = 600_000;

type Component = {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes?: readonly object[];
  readonly properties: readonly { readonly name: string; readonly value: string }[];
};
type CycloneDx = {
  readonly Spec: { readonly Version: { readonly v1dot6: string } };
  readonly Validation: {
    readonly JsonStrictValidator: new (version: string) => { validate(text: string): Promise<object | null> };
  };
};
type Bill = {
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
};

const isUnable = isMissing(
  {
    name: "OpenSSH, tar, sha256sum or git",
    commands: [
      ["sh", "-c", "command -v ssh-keygen"],
      ["tar", "--version"],
      ["sha256sum", "--version"],
      ["git", "--version"],
    ],
  },
  "the release",
);

const isNoSystemd =
  process.getuid?.() !== 0 ||
  isMissing({ name: "systemd-nspawn", commands: [["systemd-nspawn", "--version"]] }, "the package under systemd");
const isNoDebian =
  isMissing({ name: "dpkg", commands: [["dpkg-deb", "--version"]] }, "the Debian package") || process.arch !== "x64";

function isThere(command: string): boolean {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
}

describe.skipIf(isUnable)("a release", () => {
  const work = mkdtempSync(join(tmpdir(), "stint-release-"));
  // Beside the checkout's own files, for hard links.
  const copies = resolve(ROOT, "build/test/release");
  const key = join(work, "key");
  let [one, two] = ["", ""];

  beforeAll(async () => {
    rmSync(copies, { recursive: true, force: true });
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key]);
    const building = built(committed(copied(join(copies, "one"))), "022", { RELEASE_KEY: key, NODE_ENV: "production" });
    const again = async () => built(copied(join(copies, "deep/below/another")), "077", { NODE_ENV: "development" });
    [one, two] = await Promise.all([building, isWhole ? again() : ""]);
  }, BUILDS_MS_MAX);
  afterAll(() => {
    for (const folder of [work, copies]) rmSync(folder, { recursive: true, force: true });
  });

  test.skipIf(!isWhole)(
    "is the same, byte for byte, when it is built in another place, with another umask and for another NODE_ENV",
    () => {
      // Of which commit it is, is one's alone.
      const digestsOf = (folder: string) =>
        readFileSync(join(folder, "SHA256SUMS"), "utf8")
          .split("\n")
          .filter((line) => line.slice(NAME_AT) !== STATEMENT);
      expect(digestsOf(one)).toEqual(digestsOf(two));
      const names = [`stint-${VERSION}.tgz`, `stint-sdk-${VERSION}.tgz`, `stint-${VERSION}-linux-x64.tar.gz`];
      expect(readdirSync(two)).toEqual(expect.arrayContaining(names));
    },
  );

  test("says of which commit it is where it is of one, and which files they are, as npm and SLSA have it", () => {
    const { subject, predicate } = JSON.parse(readFileSync(join(one, STATEMENT), "utf8"));
    const digest = (algorithm: string, name: string) =>
      createHash(algorithm)
        .update(readFileSync(join(one, name)))
        .digest("hex");
    const files = readdirSync(one).filter((name) => name !== STATEMENT && !name.startsWith("SHA256SUMS"));
    expect(subject).toEqual([
      ...files.map((name) => ({ name, digest: { sha256: digest("sha256", name) } })),
      ...["stint", "stint-sdk"].map((name) => ({
        name: `pkg:npm/${name}@${VERSION}`,
        digest: { sha512: digest("sha512", `${name}-${VERSION}.tgz`) },
      })),
    ]);
    const commit = execFileSync("git", ["rev-parse", "HEAD"], { cwd: join(copies, "one"), encoding: "utf8" }).trim();
    expect(predicate.buildDefinition.resolvedDependencies).toContainEqual({
      name: "source",
      digest: { gitCommit: commit },
    });
  });

  test("has a list of digests that names every file and that sha256sum checks", () => {
    const listed = readFileSync(join(one, "SHA256SUMS"), "utf8").trim().split("\n");
    const names = readdirSync(one).filter((name) => !name.startsWith("SHA256SUMS"));
    expect(listed.map((line) => line.slice(NAME_AT))).toEqual(names);
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
    const folder = unpacked(one, `stint-${VERSION}.tgz`);
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
      const manifest = JSON.parse(readFileSync(join(unpacked(one, `${name}-${VERSION}.tgz`), "package.json"), "utf8"));
      const installed = bill.components.filter((one) => deliveryOf(one) === "installed").map((one) => one.name);
      expect(installed).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies)));
      expect(bill.components.filter(({ hashes = [] }) => hashes.length === 0)).toEqual([]);
      const reached = new Set([`pkg:npm/${name}@${VERSION}`]);
      for (const ref of reached) {
        for (const next of bill.dependencies.find((one) => one.ref === ref)?.dependsOn ?? []) reached.add(next);
      }
      expect(bill.components.filter(({ purl }) => !reached.has(purl))).toEqual([]);
    },
  );

  test(
    "has lists that CycloneDX's own schema takes",
    async () => {
      const load = await keptModules(join(import.meta.dirname, "cyclonedx"));
      const { Spec, Validation } = (await load("@cyclonedx/cyclonedx-library")) as CycloneDx;
      const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
      const bills = readdirSync(one).filter((name) => name.endsWith(".cdx.json"));
      const said = await Promise.all(bills.map((name) => validator.validate(readFileSync(join(one, name), "utf8"))));
      expect(said.map((problem, index) => [bills[index], problem])).toEqual(bills.map((name) => [name, null]));
      expect(
        await validator.validate(JSON.stringify({ bomFormat: "CycloneDX", specVersion: "1.6", components: [{}] })),
      ).not.toBeNull();
    },
    INSTALL_MS_MAX,
  );

  describe.skipIf(isNoDebian)("as container images", () => {
    test.for(isWhole ? ["amd64", "arm64"] : ["amd64"])(
      "has one for %s that says so, and lists what is in it, the C library too",
      (port) => {
        const file = join(one, `stint-${VERSION}-oci-${port}.tar`);
        const member = (path: string) =>
          JSON.parse(execFileSync("tar", ["--extract", "--to-stdout", "--file", file, path], { encoding: "utf8" }));
        const { manifests } = member("./index.json");
        expect(manifests).toMatchObject([{ platform: { architecture: port, os: "linux" } }]);
        // What docker load reads speaks of the same blobs as what every other tool does.
        const manifest = member(`./blobs/${manifests[0].digest.replace(":", "/")}`);
        const path = ({ digest }: { readonly digest: string }) => `blobs/${digest.replace(":", "/")}`;
        expect(member("./manifest.json")).toEqual([
          { Config: path(manifest.config), RepoTags: [`stint:${VERSION}`], Layers: manifest.layers.map(path) },
        ]);
        expect(member(`./${path(manifest.config)}`)).toMatchObject({ architecture: port, os: "linux" });

        const listed = JSON.parse(readFileSync(file.replace(/tar$/, "cdx.json"), "utf8")) as Bill;
        const purls = listed.components.map(({ purl }) => purl).join("\n");
        for (const name of ["libc6", "libgcc-s1", "libstdc%2B%2B6"]) {
          expect(purls).toMatch(new RegExp(`^pkg:deb/debian/${name}@.*arch=${port}`, "m"));
        }
        const names = listed.components.map(({ name }) => name);
        expect(names).toEqual(expect.arrayContaining(["node", "better-sqlite3", "koffi", "preact"]));
      },
    );
  });

  describeExecutable(() => one, VERSION);

  describe.skipIf(isNoDebian)("as a Debian package", () => {
    const DEB = `stint_${VERSION}_amd64.deb`;
    const dpkgDeb = (...args: readonly string[]) =>
      execFileSync("dpkg-deb", [...args, join(one, DEB)], {
        encoding: "utf8",
        env: { ...process.env, TZ: "UTC" },
        maxBuffer: 16 * 1_024 * 1_024,
      });

    test("says what it is, on what it runs and what it needs", () => {
      expect(
        execFileSync("dpkg-deb", ["--field", join(one, DEB), "Package", "Version", "Architecture", "Depends"], {
          encoding: "utf8",
        }),
      ).toBe(
        `Package: stint\nVersion: ${VERSION}\nArchitecture: amd64\nDepends: adduser, libc6 (>= 2.34), libgcc-s1, libstdc++6 (>= 11)\n`,
      );
    });

    test.skipIf(!isWhole)(
      "is one for arm64 too, with the same but for native code, all of which is for that processor",
      () => {
        const folder = join(work, "arm64");
        execFileSync("dpkg-deb", ["--extract", join(one, DEB.replace("amd64", "arm64")), folder]);
        const fields = execFileSync("dpkg-deb", ["--field", join(one, DEB.replace("amd64", "arm64")), "Architecture"]);
        expect(fields.toString().trim()).toBe("arm64");
        const machines = globSync("**/{node,*.node}", { cwd: folder, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => [entry.name, readFileSync(join(entry.parentPath, entry.name)).readUInt16LE(ELF_MACHINE)]);
        expect(machines.toSorted()).toEqual([
          ["koffi.node", AARCH64],
          ["linux-arm64.node", AARCH64],
          ["node", AARCH64],
        ]);
      },
    );

    test("has files that are root's, that nobody else may write to, and no configuration that an upgrade would ask about", () => {
      const members = dpkgDeb("--contents")
        .trim()
        .split("\n")
        .map((line) => line.split(/\s+/));
      const paths = members.map(([, , , , , path]) => path);
      expect(new Set(members.map(([, owner]) => owner))).toEqual(new Set(["root/root"]));
      expect(new Set(members.map(([mode]) => mode))).toEqual(new Set(["drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--"]));
      expect(members.filter(([mode]) => mode === "-rwxr-xr-x").map(([, , , , , path]) => path)).toEqual([
        "./usr/bin/stint",
        "./usr/bin/stintd",
        "./usr/lib/stint/bin/node",
      ]);
      expect(paths).toContain("./lib/systemd/system/stintd.service");
      expect(paths.filter((path = "") => path.startsWith("./etc/"))).toEqual(["./etc/", "./etc/stint/"]);
    });

    test("says nowhere when it was built: its files, and the archive's own parts, are of one instant", () => {
      const dates = dpkgDeb("--contents").matchAll(/ (\d{4}-\d\d-\d\d \d\d:\d\d) /g);
      expect(new Set([...dates].map(([, date]) => date))).toEqual(new Set(["1985-10-26 08:15"]));
      // The header of the first member, behind the archive's eight bytes: sixteen of its name, twelve of its time.
      expect(readFileSync(join(one, DEB)).toString("latin1", 24, 36).trim()).toBe("499162500");
    });

    test("lists all that is in it, Node.js too", () => {
      const { components } = JSON.parse(readFileSync(join(one, DEB.replace("deb", "cdx.json")), "utf8")) as Bill;
      const [node] = components.filter(({ name }) => name === "node");
      expect(process.version).toBe(`v${node?.version}`);
      const manifests = dpkgDeb("--contents").matchAll(
        /\.\/usr\/lib\/stint\/node_modules\/((?:@[^/]+\/)?[^/]+)\/package\.json$/gm,
      );
      const names = components.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining([...manifests].map(([, name]) => name)));
      expect(names).toEqual(expect.arrayContaining(["better-sqlite3", "koffi", "hono", "preact"]));
      expect(names.filter((name) => /darwin|win32/.test(name))).toEqual([]);
    });

    test.skipIf(!isThere("lintian"))("is one of which lintian says no error", () => {
      expect(spawnSync("lintian", ["--fail-on", "error", join(one, DEB)], { encoding: "utf8" })).toMatchObject({
        status: 0,
      });
    });

    test.skipIf(!isThere("systemd-analyze"))("has a unit whose exposure systemd calls OK", () => {
      const unit = join(ROOT, "deploy/debian/stintd.service");
      // Fails above the threshold, which is tenths.
      execFileSync("systemd-analyze", ["security", "--offline=true", "--no-pager", "--threshold=20", unit], {
        stdio: "ignore",
      });
    });

    test.skipIf(process.getuid?.() !== 0)(
      "installed, has its users, says what is missing, and opens a step; removed, leaves the ledger",
      () => {
        const opening = "stint step open --run r --step s --executor any --output json";
        const said = onCopyOfThisMachine(`
        dpkg --install ${join(one, DEB)}
        getent passwd stint; id --name --groups stint
        stint --version; stintd --version
        runuser --user stint -- stint dev -- ${opening}
        install --directory --owner=stint --mode=0700 /var/lib/stint
        echo kept > /var/lib/stint/ledger
        dpkg --purge stint
        cat /var/lib/stint/ledger; ls --directory /usr/bin/stint* /usr/lib/stint /etc/stint || true`);
        expect(said).toContain("stint: nothing runs yet. `stint init /etc/stint/stint.yaml` writes");
        expect(said).toMatch(/^stint:x:\d+:\d+:.*:\/var\/lib\/stint:\/usr\/sbin\/nologin$/m);
        expect(said).toMatch(/^stint stint-operators$/m);
        expect(said.split("\n").filter((line) => line === VERSION)).toHaveLength(2);
        expect(said).toContain("spiffe://stint-dev.invalid/agent/dev/run/r/step/s/1");
        expect(said).toMatch(/^stint: \/var\/lib\/stint, .* are kept\.\nkept\n$/m);
      },
    );

    test.skipIf(!isWhole || process.getuid?.() !== 0 || !["strace", "systemd-analyze"].every(isThere))(
      "starts as its unit wants it, lets people and runtimes in, and makes no system call that the unit refuses",
      () => {
        const said = onCopyOfThisMachine(
          ["sh", join(ROOT, "test/release/as-the-unit.sh"), join(one, DEB), join(ROOT, "test/release/unit.yaml")].join(
            " ",
          ),
        );
        expect(said).toContain("srw-rw---- stint:stint-operators /run/stint/operator.sock");
        expect(said).toContain("srw-rw-rw- stint:stint /run/stint/workload.sock");
        expect(said.match(/spiffe:\/\/example\.org\/agent\/researcher\/run\/r\/step\/s\/1/g)?.length).toBeGreaterThan(
          1,
        );
        const calls = [...said.matchAll(/^call (\w+)$/gm)].map(([, name = ""]) => name);
        expect(calls).toEqual(expect.arrayContaining(["pidfd_open", "chown", "fsync"]));
        const permitted = permittedBy(readFileSync(join(ROOT, "deploy/debian/stintd.service"), "utf8"));
        expect(calls.filter((name) => !permitted.has(name))).toEqual([]);
      },
    );

    test.skipIf(isNoSystemd)(
      "is a service of systemd's: started, reloaded, started again when it is killed and when it is upgraded, and gone when it is purged",
      () => {
        const said = onBootedCopy(`/bin/sh ${join(ROOT, "test/release/under-systemd.sh")} ${join(one, DEB)}`);
        expect(said).toMatch(/^ended with 0$/m);
        expect(said).toMatch(/^started ready, restarts 0$/m);
        expect(said).toMatch(/^CapEff:\t0+\nCapBnd:\t0+\nNoNewPrivs:\t1\nSeccomp:\t2$/m);
        expect(said).toContain("spiffe://example.org/agent/researcher/run/r/step/s/1");
        expect(said).toMatch(/^reloaded ready, restarts 0\nreloaded in place$/m);
        expect(said).toMatch(/^killed ready, restarts 1$/m);
        expect(said).toMatch(/^upgraded ready, restarts 0\nupgraded by a new process$/m);
        expect(said).toMatch(/^step_[^,]*,r,s,1,researcher,/m);
        expect(said).toMatch(/^inactive\npurged, and nothing runs\n\/var\/lib\/stint\/ledger$/m);
      },
      BOOT_MS_MAX,
    );
  });

  /** Boots what this machine has, in a container of systemd's, and runs commands in it as root; what they write lies in memory. */
  function onBootedCopy(commands: string): string {
    const above = mkdtempSync(join(work, "above-"));
    const said = join(above, "said");
    const service = [
      "[Service]",
      "Type=oneshot",
      `ExecStart=/bin/sh -c '${commands}; echo ended with $?'`,
      `StandardOutput=file:/said/said`,
      `StandardError=file:/said/said`,
      // Whatever came of it.
      "ExecStopPost=/bin/systemctl --force poweroff",
    ];
    mkdirSync(join(above, "said"));
    writeFileSync(join(above, "said/probe.service"), service.join("\n"));
    writeFileSync(join(above, "said/probe.target"), "[Unit]\nRequires=basic.target\nWants=probe.service\n");
    const script = `
      mkdir "$0/memory" && mount -t tmpfs tmpfs "$0/memory" && cd "$0/memory" && mkdir upper work root
      mount -t overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work" overlay root
      cp "$0"/said/probe.* root/etc/systemd/system/ && mkdir root/said
      # What keeps an image's services from being started while it is made.
      rm -f root/usr/sbin/policy-rc.d root/etc/machine-id
      exec systemd-nspawn --quiet --directory root --register=no --keep-unit --boot \
        --bind "$0/said:/said" --bind-ro "${ROOT}" --bind-ro "${work}" -- systemd.unit=probe.target`;
    const { stderr } = spawnSync("unshare", ["--mount", "--fork", "--kill-child", "sh", "-ec", script, above], {
      encoding: "utf8",
      cwd: "/",
      stdio: ["ignore", "ignore", "pipe"],
    });
    try {
      return readFileSync(join(said, "said"), "utf8");
    } catch {
      throw new Error(`nothing was run: ${stderr}`);
    }
  }

  /** Runs commands as root on what this machine has, of which they change nothing: what they write lies in memory. */
  function onCopyOfThisMachine(commands: string): string {
    const above = mkdtempSync(join(work, "above-"));
    const script = `
      mount -t tmpfs tmpfs "$0" && mkdir "$0/upper" "$0/work" "$0/root"
      mount -t overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" overlay "$0/root"
      mount -t proc proc "$0/root/proc"
      mount --rbind /dev "$0/root/dev"
      exec chroot "$0/root" sh -ec "$1"`;
    const isolated = ["--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script, above, commands];
    const env = {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      DEBIAN_FRONTEND: "noninteractive",
    };
    const { status, stdout, stderr } = spawnSync("unshare", isolated, { encoding: "utf8", env, cwd: "/" });
    if (status !== 0) throw new Error(`exit status ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Copies the checkout, as hard links. */
  function copied(copy: string): string {
    mkdirSync(copy, { recursive: true });
    execFileSync("cp", ["--archive", "--link", ...SOURCES, copy], { cwd: ROOT });
    return copy;
  }

  /** Makes a folder a repository of one commit. */
  function committed(folder: string): string {
    const author = ["-c", "user.name=Release", "-c", "user.email=release@example.org"];
    const commands = [["init"], ["add", "--all"], [...author, "commit", "--message", "Release"]];
    for (const args of commands) execFileSync("git", args, { cwd: folder, stdio: "ignore" });
    return folder;
  }

  /** Builds in a copy of the checkout. */
  async function built(copy: string, umask: string, environment: Readonly<Record<string, string>>): Promise<string> {
    const env = { ...process.env, ...environment };
    const script = 'umask "$0" && exec "$1" scripts/release.ts $2';
    await promisify(execFile)("sh", ["-c", script, umask, process.execPath, isWhole ? "" : process.arch], {
      cwd: copy,
      env,
    });
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
  return JSON.parse(readFileSync(join(release, `${name}-${VERSION}.cdx.json`), "utf8")) as Bill;
}

function deliveryOf({ properties }: Component): string | undefined {
  return properties.find(({ name }) => name === "stint:delivery")?.value;
}

/** The system calls that a unit's filters leave, by the sets that systemd has them in. */
function permittedBy(unit: string): ReadonlySet<string> {
  const listed = execFileSync("systemd-analyze", ["syscall-filter", "--no-pager"], { encoding: "utf8", stdio: "pipe" });
  const sets = new Map(
    listed.split(/\n\n+/).map((text) => {
      const [name = "", ...members] = text.split("\n").map((line) => line.trim());
      return [name, members.filter((member) => member !== "" && !member.startsWith("#"))];
    }),
  );
  const callsOf = (name: string): readonly string[] =>
    name.startsWith("@") ? (sets.get(name) ?? []).flatMap(callsOf) : [name];
  // Always there, whatever a filter says.
  const permitted = new Set(callsOf("@default"));
  for (const [, refused, names = ""] of unit.matchAll(/^SystemCallFilter=(~?)(.*)$/gm)) {
    for (const call of names.split(" ").flatMap(callsOf)) {
      if (refused === "~") permitted.delete(call);
      else permitted.add(call);
    }
  }
  return permitted;
}
