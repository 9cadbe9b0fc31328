import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type KoffiFunc, load } from "koffi";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import {
  createUnixAttestor,
  type UnixAttestor,
  type UnixPeer,
} from "../../../src/adapters/attestor-unix/unix-attestor.ts";
import {
  connectPeer,
  type Listener,
  listenIn,
  openDescriptors,
  openDirectory,
  openProcFiles,
} from "./peer-processes.ts";

const QUICK = { executableDigest: false };
const O_CLOEXEC = 0o2_000_000;
const RLIMIT_NOFILE = 7;
/** As many descriptors as are kept for what is being served. */
const LAST = 8;

let listener: Listener;

beforeEach(async () => {
  listener = await listenIn(openDirectory());
});

afterEach(() => listener.close());

function keepingAtMost(statusFilesMax: number): UnixAttestor {
  const unix = createUnixAttestor({ statusFilesMax });
  onTestFinished(unix.close);
  return unix;
}

async function peersOf(unix: UnixAttestor, count: number): Promise<readonly UnixPeer[]> {
  const connected = await Promise.all(Array.from({ length: count }, () => connectPeer(listener, unix)));
  return connected.map(({ peer }) => peer);
}

/** In a turn of its own, so that the answer is from a look of its own. */
async function attestAnew(unix: UnixAttestor, peer: UnixPeer) {
  await nextTurn();
  return unix.attestor.attest(peer, QUICK);
}

function statusOf(peers: readonly UnixPeer[]): readonly string[] {
  return peers.map(({ pid }) => `/proc/${pid}/status`).sort();
}

test("more connections than files are kept open for are all attested as who they are, and no file stays open", async () => {
  const unix = keepingAtMost(2);
  const peers = await peersOf(unix, 5);
  const before = openDescriptors();

  for (let round = 0; round < 3; round += 1) {
    for (const peer of peers) {
      const { process, selectors } = await attestAnew(unix, peer);
      expect(process.pid).toBe(peer.pid);
      expect(selectors).toContain(`unix:uid:${peer.uid}`);
      expect(openDescriptors()).toBeLessThanOrEqual(before + 2);
    }
  }
  expect(openProcFiles("status")).toHaveLength(2);

  for (const peer of peers) peer.close();
  expect(openProcFiles("status")).toEqual([]);
});

test("the files of those that were attested last are kept", async () => {
  const unix = keepingAtMost(2);
  const [first, second, third] = (await peersOf(unix, 3)) as [UnixPeer, UnixPeer, UnixPeer];

  for (const peer of [first, second, first, third]) await attestAnew(unix, peer);

  expect(openProcFiles("status")).toEqual(statusOf([first, third]));
});

test("a file that is kept is not handed on to programs that the broker executes", async () => {
  const unix = keepingAtMost(1);
  const [peer] = (await peersOf(unix, 1)) as [UnixPeer];
  await attestAnew(unix, peer);

  const fd = readdirSync("/proc/self/fd").find((one) => isLinkTo(one, `/proc/${peer.pid}/status`));
  const flags = /^flags:\t(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];

  expect(Number.parseInt(flags ?? "", 8) & O_CLOEXEC).toBe(O_CLOEXEC);
});

test("the last descriptors that the process may have are used, and not kept", async () => {
  const unix = keepingAtMost(1);
  const [peer] = (await peersOf(unix, 1)) as [UnixPeer];
  const setMax = limitOfDescriptors();

  setMax(leastFree() + LAST);
  expect((await attestAnew(unix, peer)).process.pid).toBe(peer.pid);
  expect(openProcFiles("status")).toEqual([]);

  setMax(leastFree() + LAST + 1);
  await attestAnew(unix, peer);
  expect(openProcFiles("status")).toEqual(statusOf([peer]));
});

/** The number that the next descriptor will have. */
function leastFree(): number {
  const fd = openSync("/dev/null", "r");
  closeSync(fd);
  return fd;
}

/** Sets how many descriptors this process may have, until the end of the test. */
function limitOfDescriptors(): (max: number) => void {
  const library = load(null);
  const prototype = ["int", "void *"];
  const getrlimit = library.func("getrlimit", "int", prototype) as KoffiFunc<(name: number, limit: Buffer) => number>;
  const setrlimit = library.func("setrlimit", "int", prototype) as KoffiFunc<(name: number, limit: Buffer) => number>;
  const limit = Buffer.alloc(16);
  expect(getrlimit(RLIMIT_NOFILE, limit)).toBe(0);
  const before = Number(limit.readBigUInt64LE(0));
  const setMax = (max: number): void => {
    limit.writeBigUInt64LE(BigInt(max), 0);
    expect(setrlimit(RLIMIT_NOFILE, limit)).toBe(0);
  };
  onTestFinished(() => setMax(before));
  return setMax;
}

function isLinkTo(fd: string, path: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === path;
  } catch {
    return false;
  }
}
