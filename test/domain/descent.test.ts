import { describe, expect, test } from "vitest";
import { descentOf, type Link, type Party, type Place } from "../../src/domain/descent.ts";
import type { ProcessIdentity } from "../../src/domain/process.ts";

/** The pid says when it started: a later process has a larger one. */
const processOf = (pid: number, startTimeTicks = pid): ProcessIdentity => ({
  bootId: "boot",
  pidNamespace: "1",
  pid,
  startTimeTicks,
});
const INIT: Link = { process: processOf(1) };
const link = (pid: number, orphanIn?: Place): Link => ({
  process: processOf(pid),
  ...(orphanIn === undefined ? {} : { orphanIn }),
});
const RUNTIME: Party = { process: processOf(50), place: { session: 50, controlGroup: "/system.slice/flow.service" } };
const ELSEWHERE: Place = { session: 90, controlGroup: "/system.slice/other.service" };

function descent(chain: readonly Link[], parties: readonly Party[] = [RUNTIME]) {
  const isParty = (process: ProcessIdentity) => parties.some((one) => one.process.pid === process.pid);
  return descentOf({ kind: "lineage", chain }, isParty, () => parties);
}

describe("a process descends", () => {
  test("from each process of its chain of parents, however far above", () => {
    expect(descent([link(90), link(60), link(50), INIT])).toEqual({ kind: "descends", from: RUNTIME.process });
  });

  test("not from itself, and not from what it started", () => {
    expect(descent([link(50), INIT])).toEqual({ kind: "none" });
    expect(descent([link(40), INIT])).toEqual({ kind: "none" });
  });
});

describe("what may be an orphan", () => {
  test.for<{ where: string; place: Place; descends: boolean }>([
    { where: "in the session", place: { ...ELSEWHERE, session: 50 }, descends: true },
    {
      where: "in the control group",
      place: { ...ELSEWHERE, controlGroup: "/system.slice/flow.service" },
      descends: true,
    },
    {
      where: "in a group below it",
      place: { ...ELSEWHERE, controlGroup: "/system.slice/flow.service/a" },
      descends: true,
    },
    {
      where: "in a group whose name begins alike",
      place: { ...ELSEWHERE, controlGroup: "/system.slice/flow.service2" },
      descends: false,
    },
    { where: "in a group above it", place: { ...ELSEWHERE, controlGroup: "/system.slice" }, descends: false },
    { where: "elsewhere", place: ELSEWHERE, descends: false },
    { where: "nobody can tell where, by the session", place: { controlGroup: "/a" }, descends: true },
    { where: "nobody can tell where, by the group", place: { session: 90 }, descends: true },
  ])("$where counts as a descendant: $descends", ({ place, descends }) => {
    const expected = descends ? { kind: "orphan", from: RUNTIME.process } : { kind: "none" };
    expect(descent([link(90, place), INIT])).toEqual(expected);
    // So does what the orphan started, wherever that is.
    expect(descent([link(95), link(90, place), INIT])).toEqual(expected);
  });

  test("is anywhere below a party in the machine's root group, and of one whose place nobody can tell", () => {
    const inRoot = { ...RUNTIME, place: { session: 50, controlGroup: "/" } };
    for (const party of [inRoot, { ...RUNTIME, place: {} }]) {
      expect(descent([link(90, ELSEWHERE), INIT], [party])).toMatchObject({ kind: "orphan" });
    }
  });

  test("is no descendant of a younger one; of one that started in the same tick it may be", () => {
    const place = RUNTIME.place;
    expect(descent([link(49, place), INIT])).toEqual({ kind: "none" });
    const sameTick = { process: processOf(90, 50), orphanIn: place };
    expect(descent([sameTick, INIT])).toMatchObject({ kind: "orphan" });
  });

  test("is told from the party itself, which may be an orphan too", () => {
    expect(descent([link(50, RUNTIME.place), INIT])).toEqual({ kind: "none" });
    const below: Party = { process: processOf(95), place: RUNTIME.place };
    expect(descent([link(95), link(90, RUNTIME.place), INIT], [below])).toEqual({ kind: "none" });
  });
});

test("of a process whose parents nobody can tell, nobody can tell whether it descends", () => {
  const never = () => false;
  expect(descentOf({ kind: "untold" }, never, () => [])).toEqual({ kind: "untold" });
  expect(descentOf({ kind: "lineage", chain: [] }, never, () => [])).toEqual({ kind: "untold" });
});
