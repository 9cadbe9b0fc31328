import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { controlGroupOf, systemdUnitOf } from "../../../src/adapters/attestor-unix/systemd-unit.ts";
import { createUnixAttestor } from "../../../src/adapters/attestor-unix/unix-attestor.ts";
import { parseSelector } from "../../../src/domain/selector.ts";
import { descriptorOf, isRoot, listenIn, NEEDS_ROOT, openDirectory, startPeer } from "./peer-processes.ts";

/** Where version 2 of the control groups is, alone or beside version 1. */
const HIERARCHY = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((path) => existsSync(join(path, "cgroup.procs")));
const UNIT = `stint-test-${process.pid}.service`;

describe("the control group that tells processes apart", () => {
  test.for([
    {
      of: "a system service is the whole unit",
      path: "/system.slice/flow.service/its-own/group",
      group: "/system.slice/flow.service",
    },
    {
      of: "an instance of a template is the instance",
      path: "/system.slice/system-flow.slice/flow@7.service",
      group: "/system.slice/system-flow.slice/flow@7.service",
    },
    { of: "system.slice alone is that", path: "/system.slice", group: "/system.slice" },
    {
      of: "a login is its scope",
      path: "/user.slice/user-1000.slice/session-3.scope",
      group: "/user.slice/user-1000.slice/session-3.scope",
    },
    { of: "a container is the container's", path: "/docker/0123456789ab", group: "/docker/0123456789ab" },
    { of: "the root, which tells nothing apart, is the root", path: "/", group: "/" },
  ])("of $of", ({ path, group }) => {
    expect(controlGroupOf(`0::${path}\n`)).toBe(group);
    expect(controlGroupOf(`12:pids:/\n1:name=systemd:${path}\n0::/\n`)).toBe(group);
  });

  test("is the root where there is none of systemd's and none of version 2", () => {
    expect(controlGroupOf("12:pids:/a\n")).toBe("/");
  });
});

describe("the service is read from the kernel's word", () => {
  test.for([
    { path: "/system.slice/worker.service", unit: "worker.service" },
    { path: "/system.slice/system-worker.slice/worker@7.service", unit: "worker@7.service" },
    { path: "/system.slice/worker.service/its-own/group", unit: "worker.service" },
    { path: "/system.slice/_notify_on_release.service", unit: "notify_on_release.service" },
  ])("$path is $unit", ({ path, unit }) => {
    expect(systemdUnitOf(`0::${path}\n`)).toBe(unit);
    // As systems with both versions show it.
    expect(systemdUnitOf(`12:pids:/\n1:name=systemd:${path}\n0::/\n`)).toBe(unit);
    expect(parseSelector(`systemd:unit:${unit}`)).toBe(`systemd:unit:${unit}`);
  });

  test.for([
    {
      what: "a user's own unit, under a name of the user's choice",
      path: "/user.slice/user-1000.slice/user@1000.service/app.slice/worker.service",
    },
    { what: "a user's group that is called like the system's", path: "/user.slice/system.slice/worker.service" },
    { what: "a session", path: "/user.slice/user-0.slice/session-1.scope" },
    { what: "a scope, which anything may register", path: "/system.slice/docker-0a1b.scope" },
    {
      what: "a service inside a container's scope",
      path: "/system.slice/docker-0a1b.scope/system.slice/worker.service",
    },
    { what: "the slice alone", path: "/system.slice" },
    { what: "a container's root", path: "/" },
    { what: "a group outside of the broker's namespace", path: "/../system.slice/worker.service" },
    { what: "one of a slice that only begins like it", path: "/system.slice-of-mine/worker.service" },
  ])("$what is none", ({ path }) => {
    expect(systemdUnitOf(`0::${path}\n`)).toMatchObject({ kind: "no-unit" });
  });

  test("no control groups at all are no unit, and lines of other hierarchies say nothing", () => {
    expect(systemdUnitOf("")).toMatchObject({ kind: "no-unit" });
    expect(systemdUnitOf("4:memory:/system.slice/worker.service\n0::/\n")).toMatchObject({ kind: "no-unit" });
  });

  test.for(["worker", "worker.socket", "a b.service", "../worker.service", ""])("%s names no service", (name) => {
    expect(() => parseSelector(`systemd:unit:${name}`)).toThrow(expect.objectContaining({ code: "INVALID_FIELD" }));
  });
});

const unable = !isRoot || HIERARCHY === undefined;
if (unable) process.stderr.write(`systemd-unit.test.ts: one test is skipped: it ${NEEDS_ROOT}, and control groups\n`);

test.skipIf(unable)(
  "a process in a service's group has its selector, where that is asked for, and a process outside of it has not",
  async () => {
    const group = join(HIERARCHY ?? "", "system.slice", UNIT);
    mkdirSync(group, { recursive: true });
    const directory = openDirectory();
    const listener = await listenIn(directory);
    const unix = createUnixAttestor();
    const peerIn = async (place: string | undefined) => {
      const started = startPeer(listener.path);
      const peer = unix.adopt(descriptorOf(await listener.accepted()));
      if ("kind" in peer) throw new Error(peer.message);
      await started.said("connected");
      if (place !== undefined) writeFileSync(join(place, "cgroup.procs"), String(peer.pid));
      return { peer, started };
    };
    const inside = await peerIn(group);
    const outside = await peerIn(undefined);
    onTestFinished(async () => {
      await Promise.all([inside.started.kill(), outside.started.kill()]);
      unix.close();
      await listener.close();
      await expect.poll(() => readFileSync(join(group, "cgroup.procs"), "utf8")).toBe("");
      rmdirSync(group);
    });

    const wanted = { executableDigest: false, systemdUnit: true };
    const seen = await unix.attestor.attest(inside.peer, wanted);
    expect(seen.selectors).toContain(`systemd:unit:${UNIT}`);
    expect(unix.watch.find(inside.peer.pid)?.selectors).toContain(`systemd:unit:${UNIT}`);
    const other = await unix.attestor.attest(outside.peer, wanted);
    expect([...other.selectors].filter((one) => one.startsWith("systemd:"))).toEqual([]);
    expect(other.unavailable).toContainEqual({ kind: "systemd:unit", reason: expect.stringContaining("system.slice") });
  },
);
