import { hash } from "node:crypto";
import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import {
  createExecutableDigests,
  type ExecutableDigests,
} from "../../../src/adapters/attestor-unix/executable-digests.ts";
import { eventually, openDescriptors, openDirectory, start } from "./peer-processes.ts";

const UID = 1;

let directory: string;
let digests: ExecutableDigests;

beforeEach(() => {
  directory = openDirectory();
  digests = createExecutableDigests();
});

afterEach(() => {
  digests.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs a copy of `sleep` that stands at its own path. */
function startSleep(path: string): number {
  const sleeping = start(path, ["60"]);
  onTestFinished(sleeping.kill);
  if (sleeping.child.pid === undefined) throw new Error("not started");
  return sleeping.child.pid;
}

test("the digest of an executable is that of its bytes", async () => {
  expect(await digests.of(process.pid, UID)).toEqual({
    kind: "digest",
    sha256: hash("sha256", readFileSync(process.execPath)),
    link: process.execPath,
  });
});

test("a file written anew in its place has a new digest, though it kept its inode, size and modification time", async () => {
  const path = join(directory, "program");
  const modified = new Date("2020-01-01");
  copyFileSync("/bin/sleep", path);
  appendFileSync(path, "1");
  utimesSync(path, modified, modified);
  const bytes = readFileSync(path);
  // Only the digest of a file that has been left alone for a while is kept.
  await eventually(() => Date.now() - statSync(path).ctimeMs).toBeGreaterThan(2_000);
  const digestNow = async (): Promise<unknown> => {
    const sleeping = start(path, ["60"]);
    const answer = await digests.of(sleeping.child.pid ?? 0, UID);
    await sleeping.kill();
    return answer;
  };
  const before = await digestNow();
  expect(await digestNow()).toEqual(before);
  const { ino } = statSync(path);

  bytes[bytes.length - 1] = 0x32;
  writeFileSync(path, bytes);
  utimesSync(path, modified, modified);

  expect(statSync(path)).toMatchObject({ ino, size: bytes.length, mtimeMs: modified.getTime() });
  expect(await digestNow()).toEqual({ kind: "digest", link: path, sha256: hash("sha256", bytes) });
});

test("a file that is larger than what is hashed has no digest", async () => {
  const path = join(directory, "sparse");
  copyFileSync("/bin/sleep", path);
  truncateSync(path, 8 * 1024 ** 3);

  expect(await digests.of(startSleep(path), UID)).toEqual({ kind: "failure", errno: "EFBIG" });
});

test("a process that is gone has no digest", async () => {
  expect(await digests.of(4_194_303, UID)).toEqual({ kind: "failure", errno: "ENOENT" });
});

test("a user with many processes keeps no other waiting for more than one of them", async () => {
  const order: number[] = [];
  const [one = 0, two = 0, three = 0] = [1, 2, 3].map(() => startSleep("/bin/sleep"));
  const ask = (uid: number, pid: number): Promise<unknown> => digests.of(pid, uid).then(() => order.push(uid));

  await Promise.all([
    ask(1, one),
    ask(1, two),
    ask(1, three),
    ask(1, process.pid),
    ask(2, one),
    ask(3, one),
    ask(3, two),
  ]);

  expect(order).toEqual([1, 1, 2, 3, 1, 3, 1]);
});

test("a process that asks again and again has one turn for all that it asks until then", async () => {
  const order: number[] = [];
  const ask = (uid: number): Promise<unknown> => digests.of(process.pid, uid).then(() => order.push(uid));

  await Promise.all([ask(1), ask(1), ask(1), ask(1), ask(2), ask(3), ask(3)]);

  expect(order).toEqual([1, 1, 1, 1, 2, 3, 3]);
});

test("a file that can't be read in time has no digest, and the process goes on", async () => {
  const impatient = createExecutableDigests({ timeoutMs: 1 });
  onTestFinished(impatient.close);

  expect(await impatient.of(process.pid, UID)).toEqual({ kind: "failure", errno: "ETIMEDOUT" });
  expect(await impatient.of(process.pid, UID)).toMatchObject({ kind: "failure" });
});

test("closing answers all who wait, and later ones too", async () => {
  const waiting = [digests.of(process.pid, 1), digests.of(process.pid, 1), digests.of(process.pid, 2)];

  digests.close();

  expect(await Promise.all([...waiting, digests.of(process.pid, 3)])).toEqual(
    Array.from({ length: 4 }, () => ({ kind: "failure", errno: "ECANCELED" })),
  );
});

test("hashing leaves no descriptor behind, also where it fails", async () => {
  await digests.of(process.pid, UID);
  const before = openDescriptors();

  await digests.of(process.pid, UID);
  await digests.of(4_194_303, UID);
  const path = join(directory, "sparse");
  copyFileSync("/bin/sleep", path);
  truncateSync(path, 8 * 1024 ** 3);
  const sleeping = start(path, ["60"]);
  await digests.of(sleeping.child.pid ?? 0, UID);
  await sleeping.kill();

  await eventually(openDescriptors).toBeLessThanOrEqual(before);
});
