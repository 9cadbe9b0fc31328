import { describe, expect, test } from "vitest";
import { checkBroker } from "../../src/doctor/broker.ts";
import { checkClock } from "../../src/doctor/clock.ts";
import type { Diagnosis } from "../../src/doctor/diagnosis.ts";
import { checkDisk } from "../../src/doctor/disk.ts";
import { checkKernel, type KernelFacts } from "../../src/doctor/kernel.ts";
import { checkLimits } from "../../src/doctor/limits.ts";
import { mountOf, optionOf, parseMounts } from "../../src/doctor/mounts.ts";
import { checkNamespaces } from "../../src/doctor/namespaces.ts";
import { checkRelease } from "../../src/doctor/node-release.ts";

const shown = (found: readonly Diagnosis[]) => found.map(({ severity, what }) => `${severity}: ${what}`);

/** What is no `ok` says what comes of it and what to do; `ok` says neither. */
function expectComplete(found: readonly Diagnosis[]): void {
  for (const { severity, why, mend } of found) {
    if (severity === "ok") expect({ why, mend }).toEqual({});
    else if (severity !== "skipped") expect([why, mend].every((text) => (text ?? "") !== "")).toBe(true);
  }
}

describe("the release of Node.js", () => {
  test.for([
    { version: "24.20.0", says: "ok: Node.js 24.20.0" },
    { version: "22.15.0", says: "ok: Node.js 22.15.0" },
    { version: "25.1.0", says: "warning: Node.js 25.1.0 is no release with long-term support" },
    { version: "26.0.0", says: "ok: Node.js 26.0.0" },
  ])("$version: $says", ({ version, says }) => {
    const found = checkRelease({ version, unfitBecause: undefined });
    expect(shown(found)).toEqual([says]);
    expectComplete(found);
  });

  test("one that the daemon refuses is an error, with the daemon's reason", () => {
    const [found] = checkRelease({ version: "24.21.0", unfitBecause: "its TLS servers lose certificates" });
    expect(found).toMatchObject({ severity: "error", why: "stintd does not start: its TLS servers lose certificates" });
  });
});

describe("the kernel", () => {
  const fit: KernelFacts = {
    platform: "linux",
    release: "6.8.0",
    pidfdOpen: undefined,
    peerPidfd: undefined,
    procUnfitBecause: undefined,
    proc: { point: "/proc", type: "proc", options: ["rw", "rw"] },
    ptraceScope: 1,
    daemon: { uid: 900, gids: [900, 27], name: "stint" },
    capabilities: undefined,
    namesPrograms: false,
  };
  const hiding = (...options: readonly string[]) => ({ point: "/proc", type: "proc", options: ["rw", ...options] });
  const PTRACE = 1n << 19n;

  test.for<{ name: string; facts: Partial<KernelFacts>; says: readonly string[] }>([
    {
      name: "has everything",
      facts: {},
      says: ["ok: Linux 6.8.0 names each caller for good (SO_PEERPIDFD)", "ok: ptrace is confined (ptrace_scope 1)"],
    },
    { name: "is none", facts: { platform: "darwin" }, says: ["error: the system is darwin"] },
    {
      name: "lets no pidfd be had, and nothing else is asked of it",
      facts: { pidfdOpen: "ENOSYS", peerPidfd: "ENOPROTOOPT" },
      says: ["error: pidfd_open does not work (ENOSYS) on Linux 6.8.0"],
    },
    {
      name: "has a /proc of another namespace",
      facts: { procUnfitBecause: "/proc shows another PID namespace than the broker's own: mount one in it" },
      says: ["error: /proc shows another PID namespace than the broker's own: mount one in it"],
    },
    {
      name: "does not hold on to peers",
      facts: { peerPidfd: "ENOPROTOOPT", release: "6.1.0" },
      says: [
        "warning: Linux 6.1.0 does not hold on to who connected (SO_PEERPIDFD: ENOPROTOOPT)",
        "ok: ptrace is confined (ptrace_scope 1)",
      ],
    },
    {
      name: "lets everybody trace",
      facts: { ptraceScope: 0 },
      says: [expect.any(String) as string, "warning: ptrace is not confined (kernel.yama.ptrace_scope is 0)"],
    },
    {
      name: "has no Yama",
      facts: { ptraceScope: undefined },
      says: [expect.any(String) as string, "warning: the kernel has no Yama, so that ptrace is not confined"],
    },
  ])("that $name", ({ facts, says }) => {
    const found = checkKernel({ ...fit, ...facts });
    expect(shown(found)).toEqual(says);
    expectComplete(found);
  });

  test.for<{ name: string; facts: Partial<KernelFacts>; severity: string }>([
    { name: "from a broker that is not there yet", facts: { proc: hiding("hidepid=2") }, severity: "warning" },
    { name: "by its name", facts: { proc: hiding("hidepid=invisible") }, severity: "warning" },
    {
      name: "from a broker that may not look",
      facts: { proc: hiding("hidepid=2"), capabilities: 0n },
      severity: "error",
    },
    { name: "but not from root", facts: { proc: hiding("hidepid=2"), daemon: { uid: 0, gids: [] } }, severity: "ok" },
    { name: "but not from a group of the broker", facts: { proc: hiding("hidepid=2", "gid=27") }, severity: "ok" },
    { name: "from all groups of the broker", facts: { proc: hiding("hidepid=2", "gid=28") }, severity: "warning" },
    {
      name: "but not from CAP_SYS_PTRACE",
      facts: { proc: hiding("hidepid=2"), capabilities: PTRACE },
      severity: "ok",
    },
    { name: "from nobody who is known", facts: { proc: hiding("hidepid=2"), daemon: undefined }, severity: "skipped" },
  ])("hides processes $name: $severity", ({ facts, severity }) => {
    const found = checkKernel({ ...fit, ...facts }).filter(({ what }) => what.includes("hidepid"));
    expect(found.map((one) => one.severity)).toEqual([severity]);
    expectComplete(found);
  });

  test("hidepid=0 hides nothing", () => {
    expect(shown(checkKernel({ ...fit, proc: hiding("hidepid=0") }))).toEqual(shown(checkKernel(fit)));
  });

  test.for([
    { capabilities: undefined, severity: "skipped" },
    { capabilities: PTRACE - 1n, severity: "error" },
    { capabilities: PTRACE, severity: "ok" },
  ])("entries that name executables, with capabilities $capabilities: $severity", ({ capabilities, severity }) => {
    const found = checkKernel({ ...fit, namesPrograms: true, capabilities });
    expect(found.at(-1)?.severity).toBe(severity);
    expectComplete(found);
  });
});

describe("namespaces", () => {
  const HOST = "4026531836";
  test.for([
    { ownPid: HOST, broker: undefined, severity: "ok" },
    { ownPid: "4026532451", broker: undefined, severity: "warning" },
    { ownPid: HOST, broker: "hidden" as const, severity: "error" },
    { ownPid: HOST, broker: { pidNamespace: HOST }, severity: "ok" },
    { ownPid: HOST, broker: { pidNamespace: "4026532451" }, severity: "error" },
    { ownPid: HOST, broker: { pidNamespace: undefined }, severity: "skipped" },
    { ownPid: "4026532451", broker: { pidNamespace: "4026532451" }, severity: "warning" },
  ])("in $ownPid with a broker in $broker: $severity", ({ ownPid, broker, severity }) => {
    const found = checkNamespaces({ ownPid, broker, mapsAllUsers: true });
    expect(found.map((one) => one.severity)).toEqual([severity]);
    expectComplete(found);
  });

  test("a user namespace that leaves users out is told", () => {
    const [, found] = checkNamespaces({ ownPid: HOST, broker: undefined, mapsAllUsers: false });
    expect(found).toMatchObject({ severity: "warning", why: expect.stringContaining("NO_IDENTITY") as string });
  });
});

describe("the clock", () => {
  const right = { kernel: { isSynchronized: true, maxErrorSeconds: 0.004 }, nowMs: 1_000_000, writtenMs: 990_000 };
  test.for([
    { facts: {}, says: "ok: the clock is synchronized, to 0.004 s or better" },
    {
      facts: { kernel: { isSynchronized: false, maxErrorSeconds: 16 } },
      says: "warning: nobody keeps the clock synchronized, by what the kernel says",
    },
    {
      facts: { kernel: { isSynchronized: true, maxErrorSeconds: 7.25 } },
      says: "warning: the clock may be off by 7.3 s, by what the kernel says",
    },
    { facts: { kernel: undefined }, says: "skipped: the kernel does not say whether the clock is synchronized" },
    // What the broker refuses to start with, however well the clock is kept otherwise.
    { facts: { writtenMs: 1_065_000 }, says: "error: the clock is 65 s behind what the broker wrote last" },
    { facts: { writtenMs: 1_004_000 }, says: "ok: the clock is synchronized, to 0.004 s or better" },
    { facts: { writtenMs: undefined }, says: "ok: the clock is synchronized, to 0.004 s or better" },
  ])("$says", ({ facts, says }) => {
    const found = checkClock({ ...right, ...facts });
    expect(shown(found)).toEqual([says]);
    expectComplete(found);
  });
});

describe("the disk", () => {
  const MEBIBYTE = 1024 * 1024;
  const mount = (type: string, ...options: readonly string[]) => ({ point: "/", type, options: ["rw", ...options] });
  const roomy = {
    path: "/var/lib/stint",
    freeBytes: 1_000 * MEBIBYTE,
    freeInodes: 10,
    inodes: 100,
    mount: mount("ext4"),
    fsync: undefined,
    freeBytesMin: 64 * MEBIBYTE,
    reserveBytes: 16 * MEBIBYTE,
  };
  const space = "MiB free at /var/lib/stint, where at least 80 MiB are needed";
  const fine = `ok: 1000 ${space}`;

  test.for([
    { facts: {}, says: [fine] },
    { facts: { freeBytes: 159 * MEBIBYTE }, says: [`warning: 159 ${space}`] },
    { facts: { freeBytes: 79 * MEBIBYTE }, says: [`error: 79 ${space}`] },
    { facts: { freeInodes: 0 }, says: [fine, "error: no file can be made at /var/lib/stint: no inodes are left"] },
    { facts: { freeInodes: 0, inodes: 0 }, says: [fine] },
    { facts: { fsync: "EINVAL" }, says: [fine, "error: fsync does not work at /var/lib/stint (EINVAL)"] },
    { facts: { mount: mount("nfs4") }, says: [fine, "warning: /var/lib/stint is on nfs4"] },
    { facts: { mount: mount("fuse.sshfs") }, says: [fine, "warning: /var/lib/stint is on fuse.sshfs"] },
    { facts: { mount: mount("tmpfs") }, says: [fine, "warning: /var/lib/stint is in memory (tmpfs)"] },
    {
      facts: { mount: mount("overlay") },
      says: [fine, "warning: /var/lib/stint is in a container's own layer (overlay)"],
    },
    {
      facts: { mount: mount("xfs", "ro") },
      says: [fine, "error: /var/lib/stint is on a file system that is read-only"],
    },
    { facts: { mount: undefined }, says: [fine] },
  ])("$says", ({ facts, says }) => {
    const found = checkDisk({ ...roomy, ...facts });
    expect(shown(found)).toEqual(says);
    expectComplete(found);
  });
});

describe("mounts", () => {
  // Lines of proc_pid_mountinfo(5); a blank in a path is octal, and optional fields stand before the dash.
  const text = [
    "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro",
    "30 22 0:25 / /proc rw,nosuid shared:12 master:3 - proc proc rw,gid=27,hidepid=invisible",
    "31 22 0:40 / /srv/my\\040data ro,relatime - nfs4 server:/x rw,vers=4.2",
    "32 22 0:41 / /srv/my\\040data rw - tmpfs tmpfs rw",
    "",
  ].join("\n");
  const mounts = parseMounts(text);

  test("a path is on the longest that leads to it, and of several there on the last", () => {
    expect(mountOf("/srv/my data/ledger", mounts)?.type).toBe("tmpfs");
    expect(mountOf("/srv/my datax", mounts)?.type).toBe("ext4");
    expect(mountOf("/", mounts)?.type).toBe("ext4");
  });

  test("options are of the mount and of its file system", () => {
    const proc = mountOf("/proc", mounts);
    expect(proc === undefined ? undefined : [optionOf(proc, "hidepid"), optionOf(proc, "gid")]).toEqual([
      "invisible",
      "27",
    ]);
    expect(mounts[2]?.options).toContain("ro");
  });
});

test.for([
  { openFilesMax: 20_000, severity: "ok" },
  { openFilesMax: 1_024, severity: "warning" },
  { openFilesMax: 2_559, severity: "warning" },
  { openFilesMax: 2_560, severity: "ok" },
])("$openFilesMax open files for two users of 256 connections: $severity", ({ openFilesMax, severity }) => {
  const found = checkLimits({ of: "broker", openFilesMax, connectionsPerUid: 256, users: 2 });
  expect(found.map((one) => one.severity)).toEqual([severity]);
  expectComplete(found);
});

describe("what the broker says of itself", () => {
  const at = { socket: "/run/stint/operator.sock", trustDomain: "shop.example", isListenedOn: false };
  const status = { kind: "status", isReady: true, reasons: [], warnings: [], trustDomain: "shop.example" } as const;

  test.for([
    { answer: status, says: ["ok: the broker of shop.example is ready"] },
    {
      answer: {
        ...status,
        isReady: false,
        reasons: ["the disk is full", "the clock jumped"],
        warnings: ["it ends soon"],
      },
      says: [
        "error: the broker is not ready: the disk is full",
        "error: the broker is not ready: the clock jumped",
        "warning: it ends soon",
      ],
    },
    {
      answer: { ...status, trustDomain: "other.example" },
      says: [
        "error: the broker at /run/stint/operator.sock is of the trust domain other.example, and not of shop.example",
      ],
    },
    {
      answer: { kind: "refused", message: "NOT_ENTITLED: no" } as const,
      says: ["skipped: the broker does not say how it is: NOT_ENTITLED: no"],
    },
    {
      answer: { kind: "unreachable", why: "nobody listens there" } as const,
      says: ["skipped: no broker answers at /run/stint/operator.sock: nobody listens there"],
    },
  ])("$says", ({ answer, says }) => {
    const found = checkBroker(answer, at);
    expect(shown(found)).toEqual(says);
    expectComplete(found);
  });

  test("a listener that does not answer is an error, where nobody at all is none", () => {
    const answer = { kind: "unreachable", why: "no answer in time" } as const;
    expect(shown(checkBroker(answer, { ...at, isListenedOn: true }))).toEqual([
      "error: whoever listens at /run/stint/operator.sock does not answer: no answer in time",
    ]);
  });
});
