import { readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  createUnixAttestor,
  type UnixAttestor,
  type UnixAttestorOptions,
  type UnixPeer,
} from "../../../src/adapters/attestor-unix/unix-attestor.ts";
import { formatProcess } from "../../../src/domain/process.ts";
import {
  connectPeer,
  eventually,
  type Listener,
  listenIn,
  openDirectory,
  openProcFiles,
  placeExecutable,
} from "./peer-processes.ts";

const QUICK = { executableDigest: false };
const GONE = { code: "NO_IDENTITY", message: "the process that opened this connection is gone" };

describe.for<{ how: string; options: UnixAttestorOptions }>([
  { how: "kept open", options: {} },
  { how: "opened for each look", options: { statusFilesMax: 0 } },
])("a process whose status is $how", ({ options }) => {
  let directory: string;
  let listener: Listener;
  let unix: UnixAttestor;

  beforeEach(async () => {
    directory = openDirectory();
    listener = await listenIn(directory);
    unix = createUnixAttestor(options);
  });

  afterEach(async () => {
    unix.close();
    await listener.close();
  });

  /** Connected, and attested once, so that its status is open where it is kept open. */
  async function attested(before: readonly string[] = []) {
    const connected = await connectPeer(listener, unix, { before });
    const evidence = await attestAnew(connected.peer);
    const path = `/proc/${connected.peer.pid}/status`;
    expect(openProcFiles("status").includes(path)).toBe(options.statusFilesMax !== 0);
    return { ...connected, evidence };
  }

  /** In another turn, so that the answer is from another look. */
  async function attestAnew(peer: UnixPeer) {
    await nextTurn();
    return unix.attestor.attest(peer, QUICK);
  }

  function stateOf({ pid }: UnixPeer): string | undefined {
    return readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.[0];
  }

  test("is gone when it has ended, and its parent knows", async () => {
    const { peer, process: child } = await attested();

    await child.kill();

    await expect(attestAnew(peer)).rejects.toMatchObject(GONE);
  });

  test("is gone when it has ended, though its parent does not ask for it", async () => {
    const neverAsks = ["sh", "-c", 'exec 3<&0; "$@" <&3 & exec sleep 100000', "sh"];
    const { peer } = await attested(neverAsks);

    process.kill(peer.pid, "SIGKILL");
    await eventually(() => attestAnew(peer).catch((refusal: unknown) => refusal)).toMatchObject(GONE);

    expect(stateOf(peer)).toBe("Z");
    expect(unix.watch.find(peer.pid)).toBeUndefined();
  });

  test("is attested but for its executable when its main thread has ended and others run, and gone with the last", async () => {
    const { peer, process: child } = await attested();

    child.tell("end-main-thread");
    await eventually(() => stateOf(peer)).toBe("Z");
    const { selectors, unavailable } = await attestAnew(peer);
    expect(selectors).toContain(`unix:uid:${peer.uid}`);
    expect(unavailable.map(({ kind }) => kind)).toContain("unix:path");
    expect(unix.watch.find(peer.pid)?.process.pid).toBe(peer.pid);

    await child.kill();
    await expect(attestAnew(peer)).rejects.toMatchObject(GONE);
  });

  test.for(["exec", "exec-in-thread"])(
    "is seen to run another program after it executed it (%s), and gone after that",
    async (exec) => {
      const { peer, process: child, evidence } = await attested();
      const program = placeExecutable("/bin/sleep", join(directory, "other-program"));

      child.tell(`${exec} ${program}`);
      await eventually(() => readlinkSync(`/proc/${peer.pid}/exe`)).toBe(program);
      const after = await attestAnew(peer);
      expect(after.executable).toBe(program);
      expect(after.selectors).toContain(`unix:path:${program}`);
      expect(after.selectors).not.toContain(`unix:path:${process.execPath}`);
      expect(formatProcess(after.process)).toBe(formatProcess(evidence.process));

      await child.kill();
      await expect(attestAnew(peer)).rejects.toMatchObject(GONE);
    },
  );

  test("is refused when its connection is closed", async () => {
    const { peer } = await attested();
    peer.close();
    await expect(attestAnew(peer)).rejects.toMatchObject({ message: "the connection is closed" });
  });
});
