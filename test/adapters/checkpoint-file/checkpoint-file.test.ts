import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openCheckpointFile } from "../../../src/adapters/checkpoint-file/checkpoint-file.ts";

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "stint-checkpoint-"));
  path = join(directory, "checkpoint");
});
afterEach(() => rm(directory, { recursive: true }));

test("what was saved last is loaded, and before that nothing", async () => {
  const file = openCheckpointFile(path);
  expect(await file.load()).toBeUndefined();
  await file.save("first\n");
  await file.save("second\n");
  expect(await file.load()).toBe("second\n");
  expect(await openCheckpointFile(path).load()).toBe("second\n");
});

test("it is one file, for its owner alone, in a form that people can read", async () => {
  await openCheckpointFile(path).save("a note\n");
  expect(await readdir(directory)).toEqual(["checkpoint"]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readFile(path, "utf8")).toBe("a note\n");
});

test("what a crash left half-written is not looked at, and replaced", async () => {
  const file = openCheckpointFile(path);
  await file.save("first\n");
  await writeFile(`${path}.new`, "sec");
  expect(await file.load()).toBe("first\n");
  await file.save("second\n");
  expect(await file.load()).toBe("second\n");
  expect(await readdir(directory)).toEqual(["checkpoint"]);
});

test("a checkpoint that can't be read is refused rather than taken for none", async () => {
  await expect(openCheckpointFile(directory).load()).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
});

test("where its directory is missing, a checkpoint is not taken for one that was never saved", async () => {
  const file = openCheckpointFile(join(directory, "unmounted", "checkpoint"));
  await expect(file.load()).rejects.toMatchObject({ code: "NOT_SERVING" });
});
