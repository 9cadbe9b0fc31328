import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { stringify } from "yaml";
import { isMissing } from "../conformance/toolchain.ts";
import type { LogLine } from "../daemon.ts";

// There is no container runtime here: what one does with an image (layers on one another, a root that is read-only, another user, proc and
// volumes mounted) is done by unshare, mount and chroot.

const ROOT = resolve(import.meta.dirname, "../..");
const UID = 65_532;
/** Debian's packages, the bundle, and two tars of 150 MB. */
const BUILD_MS_MAX = 300_000;

type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number };

const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
const without = isMissing(
  {
    name: "Debian",
    commands: [
      ["dpkg-deb", "--version"],
      ["apt-get", "--version"],
      ["tar", "--version"],
    ],
  },
  "the image",
);
const isUnable = without || process.getuid?.() !== 0 || process.arch !== "x64";

describe.skipIf(isUnable)("the container image", () => {
  const work = mkdtempSync(join(tmpdir(), "stint-image-"));
  const rootfs = join(work, "rootfs");
  const blob = ({ digest }: Descriptor) => join(work, "layout/blobs", digest.replace(":", "/"));
  const json = (file: string) => JSON.parse(readFileSync(file, "utf8"));
  let digests: readonly string[] = [];
  let image: { config: Record<string, unknown>; rootfs: { diff_ids: readonly string[] } };
  let layers: readonly Descriptor[];

  beforeAll(async () => {
    const build = async (name: string) => {
      await promisify(execFile)(process.execPath, ["scripts/image.ts", join(work, name)], { cwd: ROOT });
      return sha256(join(work, name));
    };
    digests = [await build("one.tar"), await build("two.tar")];
    mkdirSync(join(work, "layout"));
    execFileSync("tar", ["--extract", "--file", join(work, "one.tar"), "--directory", join(work, "layout")]);
    const manifest = json(blob(json(join(work, "layout/index.json")).manifests[0]));
    image = json(blob(manifest.config));
    layers = manifest.layers;
    mkdirSync(rootfs);
    for (const layer of layers) {
      const unpack = ["--extract", "--preserve-permissions", "--numeric-owner", "--directory", rootfs];
      execFileSync("tar", [...unpack, "--file", blob(layer)]);
    }
  }, BUILD_MS_MAX);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test("is the same, byte for byte, when it is built again", () => {
    expect(digests[0]).toBe(digests[1]);
  });

  test("is a layout in which each file has the name, the size and the place that the standard wants", () => {
    expect(json(join(work, "layout/oci-layout"))).toEqual({ imageLayoutVersion: "1.0.0" });
    const blobs = join(work, "layout/blobs/sha256");
    for (const name of readdirSync(blobs)) expect(sha256(join(blobs, name))).toBe(name);
    for (const layer of layers) expect(statSync(blob(layer)).size).toBe(layer.size);
    expect(image.rootfs.diff_ids).toEqual(layers.map(({ digest }) => digest));
  });

  test("runs as a user of its own, who can write nothing but what is to be written", () => {
    expect(image.config).toMatchObject({ User: `${UID}:${UID}`, Cmd: ["run", "--config", "/etc/stint/stint.yaml"] });
    const find = (...of: readonly string[]) =>
      execFileSync("find", [rootfs, ...of, "-printf", "/%P\n"], { encoding: "utf8" })
        .split("\n")
        .filter((one) => one !== "");
    expect(find("-uid", String(UID)).toSorted()).toEqual(["/run/stint", "/var/lib/stint"]);
    expect(find("!", "-type", "l", "-perm", "/022")).toEqual([]);
    expect(find("-perm", "/6000")).toEqual([]);
  });

  test("says nowhere in which folder it was built", () => {
    const found = spawnSync("grep", ["--recursive", "--files-with-matches", "--fixed-strings", ROOT, rootfs], {
      encoding: "utf8",
    });
    expect([found.stdout, found.status]).toEqual(["", 1]);
  });

  test("has no shell, and nothing that is run but Node.js", () => {
    const executable = execFileSync("find", [rootfs, "-type", "f", "-path", "*bin/*"], { encoding: "utf8" });
    expect(executable.trim().split("\n")).toEqual([join(rootfs, "usr/local/bin/node")]);
    expect(existsSync(join(rootfs, "bin"))).toBe(false);
  });

  test("is a broker on a root that is read-only, and says so to its own command line", async () => {
    const { Entrypoint, Cmd } = image.config as Record<"Entrypoint" | "Cmd", readonly string[]>;
    writeFileSync(
      join(rootfs, "etc/stint/stint.yaml"),
      stringify({
        trust_domain: "example.org",
        issuer: "https://broker.example.org",
        data_directory: "/var/lib/stint/data",
        workload: { socket: "/run/stint/workload.sock", mode: "0666" },
        operator: { socket: "/run/stint/operator.sock" },
        http: { listen: "127.0.0.1:0", plain_on_loopback: true },
        ledger: { reserve_bytes: 1_048_576, disk_free_bytes_min: 1_048_576 },
        development: true,
        entries: [],
      }),
    );
    const container = start(rootfs, [...Entrypoint, ...Cmd]);
    const serving = await container.said("serving");
    expect((await fetch(`${serving["http"]}/jwks.json`)).status).toBe(200);

    const pid = Number(
      execFileSync("pgrep", ["--newest", "--uid", String(UID), "--parent", String(container.child.pid)]),
    );
    const [root] = readFileSync(`/proc/${pid}/mountinfo`, "utf8")
      .split("\n")
      .filter((line) => line.split(" ")[4] === "/");
    expect(root?.split(" ")[5]).toMatch(/^ro\b/);
    const [node = "", , , , stintd = ""] = Entrypoint;
    const status = [
      node,
      stintd.replace("stintd.js", "stint.js"),
      "--operator-socket",
      "/run/stint/operator.sock",
      "-o",
      "json",
      "status",
    ];
    const inside = [
      "--target",
      String(pid),
      "--mount",
      "--pid",
      "--root",
      "--wd",
      "--setuid",
      String(UID),
      "--setgid",
      String(UID),
    ];
    expect(JSON.parse(execFileSync("nsenter", [...inside, ...status], { encoding: "utf8", env: {} }))).toMatchObject({
      ready: true,
    });
    process.kill(pid, "SIGTERM");
    expect(await container.exited).toBe(0);
  });
});

/** Starts a command as a container runtime would; ends with the test. */
function start(rootfs: string, command: readonly string[]) {
  const volume = `mount -t tmpfs -o uid=${UID},gid=${UID},mode=0755 tmpfs`;
  const script = [
    'mount --bind "$0" "$0"',
    'mount -t proc proc "$0/proc"',
    'mount --bind /dev "$0/dev"',
    `${volume} "$0/var/lib/stint"`,
    `${volume} "$0/run/stint"`,
    'mount -o remount,bind,ro "$0"',
    `exec chroot --userspec=${UID}:${UID} --groups= "$0" "$@"`,
  ].join(" && ");
  const isolated = ["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, rootfs];
  const child: ChildProcess = spawn("unshare", [...isolated, ...command], {
    stdio: ["ignore", "inherit", "pipe"],
    env: {},
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "exit").then(([status]) => status as number | null);
  const lines: string[] = [];
  const said = (msg: string) =>
    new Promise<LogLine>((resolveLine, reject) => {
      if (child.stderr === null) throw new TypeError("no standard error");
      createInterface({ input: child.stderr })
        .on("line", (line) => {
          lines.push(line);
          if (line.includes(`"msg":"${msg}"`)) resolveLine(JSON.parse(line) as LogLine);
        })
        .on("close", () => reject(new Error(lines.join("\n"))));
    });
  return { child, exited, said };
}
