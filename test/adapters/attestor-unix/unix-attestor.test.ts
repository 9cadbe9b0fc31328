import { spawnSync } from "node:child_process";
import { hash } from "node:crypto";
import { once } from "node:events";
import { closeSync, copyFileSync, fstatSync, openSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import {
  createUnixAttestor,
  type UnixAttestor,
  type UnixAttestorOptions,
  type UnixPeer,
} from "../../../src/adapters/attestor-unix/unix-attestor.ts";
import { formatProcess } from "../../../src/domain/process.ts";
import { kindOf } from "../../../src/domain/selector.ts";
import {
  adopt,
  connectPeer,
  descriptorOf,
  eventually,
  type Listener,
  listenIn,
  openDescriptors,
  openDirectory,
  placeExecutable,
  startPeer,
} from "./peer-processes.ts";

const QUICK = { executableDigest: false };

let directory: string;
let listener: Listener;
let unix: UnixAttestor;

beforeEach(async () => {
  directory = openDirectory();
  listener = await listenIn(directory);
  unix = createUnixAttestor();
});

afterEach(async () => {
  unix.close();
  await listener.close();
});

function connected(options: Parameters<typeof startPeer>[1] = {}) {
  return connectPeer(listener, unix, options);
}

test("attests the process that connected: ids, executable, start time", async () => {
  const { peer, process: child, startTimeTicks } = await connected();

  const evidence = await unix.attestor.attest(peer, QUICK);

  expect(peer).toMatchObject({ pid: child.child.pid, uid: process.geteuid?.(), gid: process.getegid?.() });
  expect(evidence.process).toEqual({
    bootId: readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim(),
    pidNamespace: /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0],
    pid: child.child.pid,
    startTimeTicks,
  });
  expect(evidence.uid).toBe(process.geteuid?.());
  expect(evidence.executable).toBe(process.execPath);
  expect([...evidence.selectors]).toEqual(
    expect.arrayContaining([
      `unix:uid:${process.geteuid?.()}`,
      `unix:gid:${process.getegid?.()}`,
      `unix:path:${process.execPath}`,
    ]),
  );
});

describe("the processes above the peer", () => {
  const own = () => {
    const ticks = readFileSync("/proc/self/stat", "latin1").split(") ").at(-1)?.split(" ")[19];
    return expect.objectContaining({ pid: process.pid, startTimeTicks: Number(ticks) });
  };

  test("are told from its parent up, each with its start time", async () => {
    const { peer, process: outer } = await connected({ before: ["sh", "-c", '"$@"; true', "sh"] });
    const [shell, above, ...rest] = (await unix.attestor.attest(peer, QUICK)).ancestors();
    expect(shell?.pid).toBe(outer.child.pid);
    expect(above).toEqual(own());
    expect(rest.at(-1)?.pid).toBe(1);
  });

  test("are those of the moment when they are asked for: none that has ended by then, and none of a peer that has", async () => {
    // The outer shell keeps the pipe, so that the peer goes on when its parent is killed.
    const { peer, process: outer } = await connected({
      before: ["sh", "-c", 'exec 3<&0; ("$@" <&3; true) & exec sleep 100000', "sh"],
    });
    const [evidence, later] = [await unix.attestor.attest(peer, QUICK), await attestAnew(peer)];
    const parent = evidence.ancestors().at(0)?.pid ?? -1;
    expect(evidence.ancestors()).toContainEqual(own());
    process.kill(parent, "SIGKILL");
    await eventually(async () => (await attestAnew(peer)).ancestors()).not.toContainEqual(own());
    expect(later.ancestors()).not.toContainEqual(expect.objectContaining({ pid: outer.child.pid }));
    const last = await attestAnew(peer);
    process.kill(peer.pid, "SIGKILL");
    await eventually(() => unix.attestor.attest(peer, QUICK).catch(() => "gone")).toBe("gone");
    expect(last.ancestors()).toEqual([]);
  });

  /** In another turn, so that the answer is from another look. */
  async function attestAnew(peer: UnixPeer) {
    await nextTurn();
    return unix.attestor.attest(peer, QUICK);
  }
});

test("gives every connection an id of its own", async () => {
  const { peer } = await connected();
  const other = await connected();

  expect(other.peer.connectionId).not.toBe(peer.connectionId);
});

describe.for<{ kernel: string; options: UnixAttestorOptions }>([
  { kernel: "which tells the peer's descriptor", options: {} },
  { kernel: "which tells only the peer's pid", options: { pidfds: "opened" } },
])("on a kernel $kernel", ({ options }) => {
  let own: UnixAttestor;

  beforeEach(() => {
    own = createUnixAttestor(options);
  });

  afterEach(() => own.close());

  test("refuses a process that is gone, though a child of it still holds the connection", async () => {
    const opener = startPeer(listener.path);
    const socket = await listener.accepted();
    const peer = adopt(socket, own);
    await own.attestor.attest(peer, QUICK);
    opener.tell("hand-on");
    const [heir] = await opener.said("handed-on");
    onTestFinished(() => void process.kill(Number(heir), "SIGKILL"));

    await opener.kill();

    expect(socket.readyState).toBe("open");
    await expect(own.attestor.attest(peer, QUICK)).rejects.toMatchObject({
      code: "NO_IDENTITY",
      message: "the process that opened this connection is gone",
    });
  });

  test("refuses a process that was gone before its connection was accepted", async () => {
    // The event loop, and with it the accept, waits until the process has come and gone.
    const script = "require('net').connect(process.argv[1], () => process.exit(0))";
    expect(spawnSync(process.execPath, ["-e", script, listener.path]).status).toBe(0);

    const peer = adopt(await listener.accepted(), own);

    await expect(own.attestor.attest(peer, QUICK)).rejects.toMatchObject({
      code: "NO_IDENTITY",
      message: "the process that opened this connection is gone",
    });
  });
});

test("sees the program that runs now, when the process has executed another since it connected", async () => {
  const { peer, process: child } = await connected();
  const before = await unix.attestor.attest(peer, QUICK);
  const program = placeExecutable("/bin/sleep", join(directory, "other-program"));

  child.tell(`exec ${program}`);
  await eventually(() => readlinkSync(`/proc/${peer.pid}/exe`)).toBe(program);
  await nextTurn();
  const after = await unix.attestor.attest(peer, { executableDigest: true });

  expect(before.selectors).toContain(`unix:path:${process.execPath}`);
  expect(after.selectors).toContain(`unix:path:${program}`);
  expect(after.selectors).not.toContain(`unix:path:${process.execPath}`);
  expect(after.executable).toBe(program);
  expect(formatProcess(after.process)).toBe(formatProcess(before.process));
});

test("looks once for what came in together, and anew in the next turn of the event loop", async () => {
  const { peer, process: child } = await connected();
  const together = [await unix.attestor.attest(peer, QUICK), await unix.attestor.attest(peer, QUICK)];
  expect(together[1]).toBe(together[0]);

  await nextTurn();
  expect(await unix.attestor.attest(peer, QUICK)).not.toBe(together[0]);
  await child.kill();
  await nextTurn();
  await expect(unix.attestor.attest(peer, QUICK)).rejects.toMatchObject({ code: "NO_IDENTITY" });
});

test("a connection that is closed is attested no more, in the same turn neither", async () => {
  const { peer } = await connected();
  await unix.attestor.attest(peer, QUICK);
  peer.close();
  await expect(unix.attestor.attest(peer, QUICK)).rejects.toMatchObject({ message: "the connection is closed" });
});

test("believes no peer that it did not adopt, however well described", async () => {
  const { peer } = await connected();

  await expect(unix.attestor.attest({ ...peer }, QUICK)).rejects.toMatchObject({ code: "NO_IDENTITY" });
});

test("attests nobody on a closed connection, and closes a peer's descriptor only once", async () => {
  const { peer } = await connected();

  peer.close();
  const reusesTheNumber = openSync("/dev/null", "r");
  onTestFinished(() => closeSync(reusesTheNumber));
  peer.close();

  expect(fstatSync(reusesTheNumber).isCharacterDevice()).toBe(true);
  await expect(unix.attestor.attest(peer, QUICK)).rejects.toMatchObject({
    code: "NO_IDENTITY",
    message: "the connection is closed",
  });
});

test("adopts nothing but unix sockets", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  connect(address.port, "127.0.0.1").unref();
  const [socket] = (await once(server, "connection")) as [Socket];
  onTestFinished(() => void socket.destroy());
  const file = openSync("/dev/null", "r");
  onTestFinished(() => closeSync(file));

  expect(unix.adopt(descriptorOf(socket))).toMatchObject({ kind: "denial", code: "NO_IDENTITY" });
  expect(unix.adopt(file)).toMatchObject({ kind: "denial", code: "NO_IDENTITY" });
});

test("leaves no descriptor behind after 200 connections that were attested and closed", async () => {
  const { peer: first } = await connected();
  await unix.attestor.attest(first, { executableDigest: true });
  const before = openDescriptors();

  for (let count = 0; count < 200; count += 1) {
    const client = connect(listener.path);
    const socket = await listener.accepted();
    const peer = adopt(socket, unix);
    await unix.attestor.attest(peer, { executableDigest: count % 20 === 0 });
    unix.watch.find(peer.pid);
    peer.close();
    client.destroy();
    socket.destroy();
    await once(socket, "close");
  }

  await eventually(openDescriptors).toBeLessThanOrEqual(before);
});

test("attests a thousand times without opening descriptors that stay", async () => {
  const { peer } = await connected();
  await unix.attestor.attest(peer, QUICK);
  const before = openDescriptors();

  for (let count = 0; count < 1_000; count += 1) {
    await nextTurn();
    await unix.attestor.attest(peer, QUICK);
  }

  expect(openDescriptors()).toBe(before);
});

describe("the executable", () => {
  test("is hashed only when that is wanted", async () => {
    const { peer } = await connected();

    const quick = await unix.attestor.attest(peer, QUICK);
    const thorough = await unix.attestor.attest(peer, { executableDigest: true });

    const kinds = (selectors: Iterable<string>): string[] => [...selectors].map((one) => kindOf(one as never));
    expect(kinds(quick.selectors)).not.toContain("unix:sha256");
    expect(quick.unavailable).not.toContainEqual(expect.objectContaining({ kind: "unix:sha256" }));
    expect(thorough.selectors).toContain(`unix:sha256:${sha256Of(process.execPath)}`);
  });

  test("that was replaced at its path lends neither its path nor the new file's digest", async () => {
    const program = join(directory, "program");
    copyFileSync(process.execPath, program);
    const { peer } = await connected({ node: program });
    const digest = sha256Of(program);
    rmSync(program);
    copyFileSync("/bin/sleep", program);

    const evidence = await unix.attestor.attest(peer, { executableDigest: true });

    expect(evidence.executable).toBeUndefined();
    expect(evidence.unavailable).toContainEqual({
      kind: "unix:path",
      reason: "the file was replaced or removed since the process started it",
    });
    expect(evidence.selectors).toContain(`unix:sha256:${digest}`);
  });
});

function sha256Of(path: string): string {
  return hash("sha256", readFileSync(path));
}
