import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Architecture, ownArchitecture } from "../../scripts/pack/architecture.ts";
import { usesOf } from "../../scripts/pack/uses.ts";
import { isMissing } from "../conformance/toolchain.ts";
import { startDaemon } from "../daemon.ts";
import { frontPids, frontsOf, isAlive } from "../e2e/front-ends.ts";
import { operatorOf } from "../e2e/operator.ts";
import { closeStep, issueJwt, OWN_ENTRIES, openStep, sessionWith } from "../faults/daemon-scene.ts";
import { isWhole } from "./amount.ts";

// Goal: the executable is the package: all that comes with the programs is inside of it, and nothing beside it is needed or left.
// Method: as a release has it, and run with an environment that leads nowhere.

/** An emulator takes twenty times as long, on a machine that may be busy. */
const EMULATED_MS_MAX = 600_000;
const ARM64_LIBRARIES = "/usr/aarch64-linux-gnu";

const isNoEmulator = () =>
  isMissing(
    {
      name: "an emulator of arm64, with its C library",
      commands: [
        ["qemu-aarch64-static", "--version"],
        ["test", "-e", `${ARM64_LIBRARIES}/lib/ld-linux-aarch64.so.1`],
      ],
    },
    "the executable for arm64",
  );

/** @param release - the folder of a release. */
export function describeExecutable(release: () => string, version: string): void {
  describe("as one file", () => {
    const work = mkdtempSync(join(tmpdir(), "stint-executable-"));
    // Nothing of the machine helps: no Node.js, no home, no folder of the package.
    const environment = { PATH: "/usr/bin:/bin", HOME: "/nonexistent", TMPDIR: join(work, "tmp") };
    let folder = "";
    let [stint, stintd] = ["", ""];

    /** @returns the folder in the archive. */
    function unpacked(architecture: Architecture): string {
      const name = `stint-${version}-linux-${architecture}`;
      execFileSync("tar", ["--extract", "--file", join(release(), `${name}.tar.gz`), "--directory", work]);
      return join(work, name);
    }
    const run = (program: string, ...args: readonly string[]) =>
      spawnSync(program, args, { encoding: "utf8", env: environment, cwd: work });

    beforeAll(() => {
      folder = unpacked(ownArchitecture());
      [stint, stintd] = [join(folder, "stint"), join(folder, "stintd")];
      mkdirSync(environment.TMPDIR);
    });
    afterAll(() => rmSync(work, { recursive: true, force: true }));

    test("is one file, with a link by which it is the daemon, and the licenses of all that is in it", () => {
      expect(readdirSync(folder).toSorted()).toEqual([
        ...["LICENSE", "NODEJS-LICENSE", "README.md", "THIRD-PARTY-NOTICES", "stint", "stintd"],
      ]);
      const notices = readFileSync(join(folder, "THIRD-PARTY-NOTICES"), "utf8");
      for (const name of [
        "better-sqlite3",
        "@cedar-policy/cedar-wasm",
        "koffi",
        "@koromix/koffi-linux-x64",
        "preact",
      ]) {
        expect(notices).toContain(`\n${name} `);
      }
    });

    test("is the program that it is called as", () => {
      const other = join(work, "stint-of-another-name");
      linkSync(stint, other);
      const link = join(work, "stintd-by-another-link");
      symlinkSync(stint, link);
      for (const program of [stint, stintd, other, link]) expect(run(program, "--version").stdout.trim()).toBe(version);
      for (const program of [stint, other]) expect(run(program, "--help").stdout).toMatch(/^Usage: stint /);
      for (const program of [stintd, link]) expect(run(program, "--help").stdout).toMatch(/^Usage: stintd /);
    });

    test("does what the package does, alone in a folder, and leaves nothing", () => {
      const alone = join(work, "alone");
      mkdirSync(alone);
      copyFileSync(stint, join(alone, "stint"));
      for (const { claim, command, isSo } of usesOf(join(alone, "stint"), alone)) {
        const [program = "", ...args] = command;
        const { stdout, stderr, status } = run(program, ...args);
        expect({ claim, status, stderr, isSo: isSo(stdout) }).toMatchObject({ claim, status: 0, isSo: true });
      }
      expect(readdirSync(environment.TMPDIR)).toEqual([]);
      expect(readdirSync(alone).toSorted()).toEqual(["report.pdf", "stint"]);
    });

    test("says its arguments to no one but the program: those of Node.js are none", () => {
      const { status, stderr } = run(stint, "--inspect-brk=0");
      expect([status, stderr]).toEqual([2, expect.stringContaining("unknown option '--inspect-brk=0'")]);
    });

    test("is a daemon whose front ends and threads are it too, and which no signal makes a debugger", async () => {
      await using daemon = await startDaemon({
        entries: OWN_ENTRIES,
        executable: stintd,
        config: { workers: 2 },
        environment: { TMPDIR: environment.TMPDIR },
      });
      expect(frontPids(daemon)).toHaveLength(2);
      const fronts = frontPids(daemon);
      process.kill(daemon.pid, "SIGUSR1");
      for (const [index, session] of [sessionWith(daemon), sessionWith(daemon)].entries()) {
        const { stepId } = await openStep(session, `turn-${index}`);
        await issueJwt(session, stepId);
        await closeStep(session, stepId);
        await expect(issueJwt(session, stepId)).rejects.toMatchObject({ reason: "STEP_CLOSED" });
      }
      await expect.poll(() => new Set(frontsOf(daemon, "Credentials.IssueJwtSvid"))).toEqual(new Set([1, 2]));
      using operator = operatorOf(daemon.operatorSocket);
      // Read, verified and hashed by threads of their own.
      expect(await operator.ledger.get({})).toMatchObject({ suspendedBecause: [] });
      expect(daemon.stderr()).not.toContain("Debugger");
      expect(daemon.log.every(({ msg }) => !/warning/i.test(String(msg)))).toBe(true);
      expect(await daemon.stop()).toBe(0);
      await expect.poll(() => fronts.some(isAlive)).toBe(false);
    });

    test.skipIf(process.getuid?.() !== 0)(
      "loads its native code where programs may run, and says what to do where there is no such place",
      () => {
        const mounted = (places: readonly string[], ...command: readonly string[]) => {
          const mounts = places.map((place) => `mount -t tmpfs -o noexec tmpfs ${place}`).join(" && ");
          return run("unshare", "--mount", "sh", "-c", `${mounts} && exec "$@"`, "sh", ...command);
        };
        const opening = [stint, "dev", "--", stint, "whoami"];
        expect(mounted([environment.TMPDIR], ...opening)).toMatchObject({ status: 0 });
        const places = [environment.TMPDIR, "/dev/shm"];
        const why = `no file that may be run can be made in ${places.join(" or ")}: TMPDIR can name a folder where one can`;
        expect(mounted(places, ...opening)).toMatchObject({ status: 1, stderr: expect.stringContaining(why) });
        expect(mounted(places, stintd, "run")).toMatchObject({ status: 1, stderr: `stintd: ${why}\n` });
      },
    );

    test.skipIf(!isWhole || isNoEmulator())(
      "for arm64 takes a configuration and a ledger there, with its native code",
      async () => {
        await using daemon = await startDaemon({ entries: OWN_ENTRIES });
        await daemon.stop();
        const validating = [
          join(unpacked("arm64"), "stintd"),
          "validate",
          "--config",
          join(daemon.directory, "stint.yaml"),
        ];
        const { stdout, stderr, status } = run("qemu-aarch64-static", "-L", ARM64_LIBRARIES, ...validating);
        expect({ stdout, stderr, status }).toMatchObject({ status: 0, stdout: "valid\nwould change nothing\n" });
      },
      EMULATED_MS_MAX,
    );
  });
}
