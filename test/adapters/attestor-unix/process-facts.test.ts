import { closeSync } from "node:fs";
import process from "node:process";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  openStatus,
  parseStartTime,
  parseStatus,
  readFacts,
} from "../../../src/adapters/attestor-unix/process-facts.ts";

const AFTER_COMM = "S 1 2 3 0 -1 4194560 5 6 7 8 9 10 11 12 20 0 13 0 4711 14 15";

describe("the start time of a process", () => {
  test.for([
    { comm: "a plain name", stat: `42 (node) ${AFTER_COMM}` },
    { comm: "spaces", stat: `42 (a b c) ${AFTER_COMM}` },
    { comm: "a closing parenthesis", stat: `42 (evil) S 1) ${AFTER_COMM}` },
    { comm: "a whole forged line", stat: `42 () ${AFTER_COMM}) ${AFTER_COMM}`.replace("4711", "1") },
    { comm: "a line end", stat: `42 (a\nb) ${AFTER_COMM}` },
  ])("is field 22, though the name holds $comm", ({ stat }) => {
    expect(parseStartTime(stat)).toBe(4711);
  });

  test("can't be forged by any name", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (comm) => {
        expect(parseStartTime(`42 (${comm}) ${AFTER_COMM}`)).toBe(4711);
      }),
    );
  });

  test("is not guessed from a line that is cut off", () => {
    expect(parseStartTime("42 (node) S 1 2")).toBeUndefined();
    expect(parseStartTime("")).toBeUndefined();
  });
});

describe("the ids of a process", () => {
  const PID = "NSpid:\t4711";
  const RUNS = "State:\tS (sleeping)";
  const status = (lines: readonly string[]): string => ["Name:\tnode", RUNS, ...lines, "VmPeak:\t1 kB", ""].join("\n");

  test("are the effective ones, and every supplementary group", () => {
    expect(parseStatus(status(["Uid:\t1\t2\t3\t4", "Gid:\t5\t6\t7\t8", "Groups:\t9 10 ", PID]))).toEqual({
      uid: 2,
      gid: 6,
      supplementaryGids: [9, 10],
      sharesPids: true,
      hasExited: false,
    });
  });

  test("may come without a supplementary group", () => {
    expect(parseStatus(status(["Uid:\t0\t0\t0\t0", "Gid:\t0\t0\t0\t0", "Groups:\t ", PID]))?.supplementaryGids).toEqual(
      [],
    );
  });

  test("are not guessed when a line is missing", () => {
    expect(parseStatus(status(["Uid:\t1\t2\t3\t4", "Gid:\t5\t6\t7\t8", PID]))).toBeUndefined();
    expect(parseStatus(status(["Gid:\t5\t6\t7\t8", "Groups:\t", PID]))).toBeUndefined();
    expect(parseStatus(status(["Uid:\t1\t2\t3\t4", "Gid:\t5\t6\t7\t8", "Groups:\t"]))).toBeUndefined();
  });

  test("tell a process of a nested PID namespace by its further pids", () => {
    const ids = ["Uid:\t0\t0\t0\t0", "Gid:\t0\t0\t0\t0", "Groups:\t "];
    expect(parseStatus(status([...ids, PID]))?.sharesPids).toBe(true);
    expect(parseStatus(status([...ids, "NSpid:\t4711\t1"]))?.sharesPids).toBe(false);
  });
});

describe("a process has ended", () => {
  const ids = "Uid:\t1\t1\t1\t1\nGid:\t1\t1\t1\t1\nGroups:\t \nNSpid:\t4711";
  const status = (name: string, state: string, threads: string): string =>
    `Name:\t${name}\nState:\t${state}\n${ids}\n${threads}SigQ:\t0/1\n`;

  test.for([
    { state: "R (running)", threads: "Threads:\t1\n", hasExited: false },
    { state: "D (disk sleep)", threads: "Threads:\t7\n", hasExited: false },
    { state: "T (stopped)", threads: "Threads:\t1\n", hasExited: false },
    { state: "t (tracing stop)", threads: "Threads:\t1\n", hasExited: false },
    { state: "Z (zombie)", threads: "Threads:\t1\n", hasExited: true },
    { state: "Z (zombie)", threads: "Threads:\t2\n", hasExited: false },
    { state: "Z (zombie)", threads: "", hasExited: true },
    { state: "X (dead)", threads: "Threads:\t0\n", hasExited: true },
  ])("with its state $state and $threads: $hasExited", ({ state, threads, hasExited }) => {
    expect(parseStatus(status("node", state, threads))?.hasExited).toBe(hasExited);
  });

  test("also when its name, with line ends as the kernel escapes them, says otherwise", () => {
    const name = "a\\nState:\tS (sleeping)\\nThreads:\t9";
    expect(parseStatus(status(name, "Z (zombie)", "Threads:\t1\n"))?.hasExited).toBe(true);
  });

  test("is not guessed without a state", () => {
    expect(parseStatus(`Name:\tnode\n${ids}\nThreads:\t1\n`)).toBeUndefined();
  });
});

test("the facts of this very process are what Node.js says of it", () => {
  const fd = openStatus(process.pid);
  if (typeof fd !== "number") throw new Error(fd.errno);
  onTestFinished(() => closeSync(fd));
  expect(readFacts(process.pid, fd, false)).toMatchObject({
    kind: "facts",
    uid: process.geteuid?.(),
    gid: process.getegid?.(),
    executableLink: process.execPath,
  });
});

test("a pid without a process has no status", () => {
  expect(openStatus(4_194_303)).toEqual({ kind: "failure", errno: "ENOENT" });
});
