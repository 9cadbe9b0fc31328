import { copyFileSync, readlinkSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import {
  createUnixAttestor,
  type UnixAttestor,
  type UnixPeer,
} from "../../../src/adapters/attestor-unix/unix-attestor.ts";
import type { Evidence } from "../../../src/ports/attestor.ts";
import {
  descriptorOf,
  isRoot,
  type Listener,
  listenIn,
  NEEDS_ROOT,
  openDirectory,
  type PeerProcess,
  placeExecutable,
  start,
  startPeer,
  succeeds,
} from "./peer-processes.ts";

const BROKER_CHILD = fileURLToPath(new URL("./broker-child.ts", import.meta.url));
const PID_REUSE_CHILD = fileURLToPath(new URL("./pid-reuse-child.ts", import.meta.url));
const IN_PID_NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const QUICK = { executableDigest: false };
/** unshare(2): a mount namespace of its own. */
const CLONE_NEWNS = 0x2_0000;
const FOREIGN_MOUNTS = "the process is in another mount namespace";

const mayUnshare = isRoot && succeeds([...IN_PID_NAMESPACE, "true"]);

let directory: string;

beforeEach((context) => {
  context.skip(!mayUnshare, isRoot ? "needs leave to make namespaces" : NEEDS_ROOT);
  directory = openDirectory();
});

afterEach(() => {
  if (mayUnshare) rmSync(directory, { recursive: true, force: true });
});

describe("a process in another namespace than the broker", () => {
  let listener: Listener;
  let unix: UnixAttestor;

  beforeEach(async () => {
    listener = await listenIn(directory);
    unix = createUnixAttestor();
  });

  afterEach(async () => {
    unix?.close();
    await listener?.close();
  });

  async function attested(
    started: PeerProcess,
  ): Promise<{ peer: UnixPeer; evidence: Evidence; said: readonly string[] }> {
    onTestFinished(started.kill);
    const peer = unix.adopt(descriptorOf(await listener.accepted()));
    if ("kind" in peer) throw new Error(peer.message);
    onTestFinished(peer.close);
    const said = await started.said("connected");
    return { peer, said, evidence: await unix.attestor.attest(peer, { executableDigest: true }) };
  }

  test("of pids is known by its pid in the broker's", async () => {
    const before = ["unshare", "--pid", "--fork", "--kill-child"];
    const { peer, evidence, said } = await attested(startPeer(listener.path, { before }));
    const [ownPid] = said;

    expect(ownPid).toBe("1");
    expect(readlinkSync(`/proc/${peer.pid}/ns/pid`)).not.toBe(readlinkSync("/proc/self/ns/pid"));
    expect(evidence.process).toMatchObject({
      pid: peer.pid,
      pidNamespace: /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0],
    });
    expect(evidence.executable).toBe(process.execPath);
    expect(evidence.sharesPids).toBe(false);
  });

  test("of mounts can forge any path, and is believed none", async () => {
    const agent = join(directory, "agent");
    copyFileSync("/bin/true", agent);
    const evil = placeExecutable(process.execPath, join(directory, "evil"));
    const forge = 'mount --bind "$1" "$2" && shift && exec "$@"';
    const before = ["unshare", "--mount", "sh", "-c", forge, "sh", evil];
    const { peer, evidence } = await attested(startPeer(listener.path, { before, node: agent }));

    expect(readlinkSync(`/proc/${peer.pid}/exe`)).toBe(agent);
    expect(evidence.executable).toBeUndefined();
    expect([...evidence.selectors].filter((one) => /^unix:(path|sha256):/.test(one))).toEqual([]);
    expect(evidence.unavailable).toEqual(
      expect.arrayContaining([
        { kind: "unix:path", reason: FOREIGN_MOUNTS },
        { kind: "unix:sha256", reason: FOREIGN_MOUNTS },
      ]),
    );
    expect(unix.watch.find(peer.pid)?.selectors).not.toContain(`unix:path:${agent}`);
  });

  test("of mounts is believed no path from the moment when it went there", async () => {
    const script = `
      const { createRequire } = require("node:module");
      const require_ = createRequire(process.argv[2]);
      require("net").connect(process.argv[1], () => console.log("connected"));
      process.stdin.on("data", () => console.log("unshared", require_("koffi").load(null).func("unshare", "int", ["int"])(${CLONE_NEWNS})));`;
    const child = start(process.execPath, ["-e", script, listener.path, import.meta.filename]);
    const { peer, evidence } = await attested(child);
    expect(evidence.executable).toBe(process.execPath);

    child.tell("now");
    expect(await child.said("unshared")).toEqual(["0"]);

    const after = await unix.attestor.attest(peer, QUICK);
    expect(after.executable).toBeUndefined();
    expect(after.unavailable).toContainEqual({ kind: "unix:path", reason: FOREIGN_MOUNTS });
  });

  test("of users is known by the uid that it has outside, whatever it is called inside", async () => {
    const node = placeExecutable(process.execPath, join(directory, "node"));
    const script = `
      const socket = require("net").connect(process.argv[1], () => console.log("connected", process.getuid()));
      process.stdin.on("end", () => process.exit(0)).resume();`;
    const asUser = ["--reuid", "61001", "--regid", "62001", "--clear-groups"];
    const started = start("setpriv", [...asUser, "unshare", "-U", "-r", node, "-e", script, listener.path]);
    const { evidence, said } = await attested(started);

    expect(said).toEqual(["0"]);
    expect(evidence.uid).toBe(61_001);
    expect(evidence.selectors).toContain("unix:uid:61001");
    expect(evidence.selectors).toContain("unix:gid:62001");
    expect(evidence.selectors).not.toContain("unix:uid:0");
  });
});

describe("a broker elsewhere", () => {
  function startBroker(before: readonly string[]): PeerProcess {
    const [command = "", ...args] = [...before, process.execPath, BROKER_CHILD, join(directory, "broker.sock")];
    const broker = start(command, args);
    onTestFinished(broker.kill);
    return broker;
  }

  async function answer(broker: PeerProcess, word: string): Promise<unknown> {
    return JSON.parse((await broker.said(word)).join(" "));
  }

  function connectFromHere(): void {
    const socket = connect(join(directory, "broker.sock")).on("error", () => undefined);
    onTestFinished(() => void socket.destroy());
  }

  test("in a PID namespace refuses a caller from outside of it, and says why", async () => {
    const broker = startBroker(IN_PID_NAMESPACE);
    await broker.said("listening");

    connectFromHere();

    expect(await answer(broker, "refused")).toMatchObject({
      peer: { pid: 0, uid: 0 },
      code: "NO_IDENTITY",
      message: expect.stringContaining("outside the broker's PID namespace"),
    });
  });

  test("does not start on the /proc of another PID namespace, which tells of other processes", async () => {
    const broker = startBroker(["unshare", "--pid", "--fork", "--kill-child"]);

    expect(await answer(broker, "failed")).toEqual({
      code: "NOT_SERVING",
      message: "/proc shows another PID namespace than the broker's own: mount one in it",
    });
  });

  test("in a user namespace refuses a caller whose uid has no number there", async () => {
    const broker = startBroker(["unshare", "--user", "--map-root-user"]);
    await broker.said("listening");
    const node = placeExecutable(process.execPath, join(directory, "node"));
    const script = "require('net').connect(process.argv[1]); setInterval(() => {}, 1000)";
    const asUser = ["--reuid", "61001", "--regid", "62001", "--clear-groups"];
    const caller = start("setpriv", [...asUser, node, "-e", script, join(directory, "broker.sock")]);
    onTestFinished(caller.kill);

    expect(await answer(broker, "refused")).toMatchObject({
      code: "NO_IDENTITY",
      message: expect.stringContaining("no number in the broker's user namespace"),
    });
  });

  test("without CAP_SYS_PTRACE attests all but other users' executables, and says so", async () => {
    const broker = startBroker(["setpriv", "--bounding-set", "-sys_ptrace"]);
    await broker.said("listening");

    connectFromHere();
    const evidence = await answer(broker, "attested");

    const reason = "reading other users' executables needs CAP_SYS_PTRACE";
    expect(evidence).toMatchObject({
      uid: 0,
      selectors: expect.arrayContaining(["unix:uid:0", "unix:gid:0"]),
      unavailable: expect.arrayContaining([
        { kind: "unix:path", reason },
        { kind: "unix:sha256", reason },
      ]),
    });
    expect(evidence).not.toHaveProperty("executable");
  });
});

test("a pid that was given out again lends nothing of its new process to the old one's connection", async (context) => {
  const choosePid = "echo 50 > /proc/sys/kernel/ns_last_pid";
  context.skip(
    !succeeds([...IN_PID_NAMESPACE, "sh", "-c", choosePid]),
    "needs a kernel that lets the next pid be chosen",
  );
  const [command = "", ...args] = [
    ...IN_PID_NAMESPACE,
    process.execPath,
    PID_REUSE_CHILD,
    join(directory, "reuse.sock"),
  ];
  const child = start(command, args);
  onTestFinished(child.kill);

  const { before, after, outcomes, told } = JSON.parse((await child.said("reused")).join(" "));

  expect(after).toMatchObject({ pid: before.pid, pidNamespace: before.pidNamespace });
  expect(after.startTimeTicks).toBeGreaterThan(before.startTimeTicks);
  expect(outcomes).toEqual(Array(4).fill("the process that opened this connection is gone"));
  expect(told).toBe("gone");
});
