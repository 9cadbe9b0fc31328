import process from "node:process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseStartTime, parseStatus, readFacts } from "../../../src/adapters/attestor-unix/process-facts.ts";

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
  const status = (lines: readonly string[]): string => ["Name:\tnode", ...lines, "VmPeak:\t1 kB", ""].join("\n");

  test("are the effective ones, and every supplementary group", () => {
    expect(parseStatus(status(["Uid:\t1\t2\t3\t4", "Gid:\t5\t6\t7\t8", "Groups:\t9 10 ", PID]))).toEqual({
      uid: 2,
      gid: 6,
      supplementaryGids: [9, 10],
      sharesPids: true,
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

test("the facts of this very process are what Node.js says of it", () => {
  expect(readFacts(process.pid, false)).toMatchObject({
    kind: "facts",
    uid: process.geteuid?.(),
    gid: process.getegid?.(),
    executableLink: process.execPath,
  });
});

test("a pid without a process has no facts", () => {
  expect(readFacts(4_194_303, false)).toEqual({ kind: "failure", errno: "ENOENT" });
});
