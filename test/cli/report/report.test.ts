import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { FRAMEWORK_NAMES } from "../../../src/cli/report/framework-names.ts";
import type { Report, ReportedFigure } from "../../../src/cli/report/report.ts";
import { reportScene } from "./report-scene.ts";

// A real broker with something of most kinds in its ledger, reported on by the command line.

const scene = reportScene();
const folder = mkdtempSync(join(tmpdir(), "stint-report-"));
afterAll(() => rmSync(folder, { recursive: true }));

const DIGEST = /^stint: SHA-256 of what the report says: [0-9a-f]{64}\n$/;
const report = (framework: string, ...more: readonly string[]) =>
  scene.at(["report", "--framework", framework, "--since", "1d", "--format", "json", ...more]);

async function reported(framework: string, ...more: readonly string[]): Promise<Report> {
  const { status, out, err } = await report(framework, ...more);
  expect([status, err]).toEqual([0, expect.stringMatching(DIGEST)]);
  return JSON.parse(out) as Report;
}

/** What the figure's own command counts. */
async function countedBy({ command, groups, seconds }: ReportedFigure) {
  const [, ...args] = command.split(" ");
  const { status, out, err } = await scene.at(["-o", "json", ...args]);
  expect([command, status]).toEqual([command, 0]);
  expect(err).toBe("");
  if (seconds !== undefined) {
    const { count, ...spans } = JSON.parse(out) as { readonly count: number };
    return {
      count,
      seconds: Object.fromEntries(Object.entries(spans).map(([name, value]) => [name.split("_")[0], value])),
    };
  }
  if (groups === undefined) return (JSON.parse(out) as { readonly count: number }).count;
  return (JSON.parse(out) as readonly Record<string, unknown>[]).map(({ count, ...value }) => ({
    value: Object.values(value)[0],
    count,
  }));
}

function told({ count, groups, seconds }: ReportedFigure) {
  return seconds === undefined ? (groups ?? count) : { count, seconds };
}

describe("a figure", () => {
  test("is what the command beside it counts: all figures of all frameworks", async () => {
    const figures = new Map<string, ReportedFigure>();
    for (const name of FRAMEWORK_NAMES) {
      for (const figure of (await reported(name)).figures) figures.set(figure.id, figure);
    }
    for (const figure of figures.values()) {
      expect([figure.command, await countedBy(figure)]).toEqual([figure.command, told(figure)]);
    }
  }, 240_000);

  test("is of what happened", async () => {
    const [nhi, csf] = [await reported("owasp-nhi"), await reported("nist-csf")];
    const count = (id: string) => [...nhi.figures, ...csf.figures].find((figure) => figure.id === id);
    expect(count("closes")).toMatchObject({ count: 1 });
    expect(count("credentials-by-kind")).toMatchObject({ count: 4, groups: [{ count: 2 }, { count: 2 }] });
    expect(count("credentials-revoked")).toMatchObject({ count: 1 });
    expect(count("refusals-by-reason")?.count).toBeGreaterThan(0);
    expect(count("steps-by-outcome")).toMatchObject({
      may_change: true,
      groups: [
        { value: "completed", count: 1 },
        { value: "open", count: 1 },
      ],
    });
    const validity = count("credentials-validity");
    expect(validity).toMatchObject({ count: 4 });
    // A step's own end is 300 s after its opening, and nothing outlives it.
    expect(validity?.seconds?.most).toBeLessThanOrEqual(300);
    expect(validity?.seconds?.least).toBeGreaterThan(60);
    expect(count("steps-open")).toMatchObject({ count: 1 });
    expect(count("holds")).toMatchObject({ count: 1 });
    expect(count("risk-changes")).toMatchObject({ count: 1 });
  });

  test("is of the period alone, as is what its command counts", async () => {
    const since = new Date(scene.middle()).toISOString();
    const later = await reported("owasp-nhi", "--since", since);
    const earlier = await reported("owasp-nhi", "--until", since);
    const count = ({ figures }: Report, id: string) => figures.find((figure) => figure.id === id)?.count;
    expect([count(earlier, "closes"), count(later, "closes")]).toEqual([1, 0]);
    expect([count(earlier, "credentials-by-kind"), count(later, "credentials-by-kind")]).toEqual([2, 2]);
    for (const figure of [...earlier.figures, ...later.figures]) {
      expect([figure.command, await countedBy(figure)]).toEqual([figure.command, told(figure)]);
    }
    const before = await reported("owasp-nhi", "--until", "12h");
    expect(before.figures.map(({ count }) => count)).toEqual(before.figures.map(() => 0));
    expect(before.examples.every((example) => "absent" in example)).toBe(true);
  });
});

test("controls that Stint does nothing for are there, and each says what is not covered", async () => {
  const { controls, nothing_for: nothing } = await reported("owasp-agentic");
  expect(controls.filter(({ does }) => does.length === 0).map(({ id }) => id)).toEqual(["T1", "T5", "T15"]);
  expect(controls.every(({ not_covered: text }) => text.length > 20)).toBe(true);
  expect(nothing.controls).toEqual([]);
  expect((await reported("nist-csf")).nothing_for.controls).toContain("PR.AT-01");
});

test("what bears on the figures is said before them: a ledger that began later than the period", async () => {
  const { reservations, ledger } = await reported("maestro");
  expect(reservations).toEqual([
    `The ledger begins at ${ledger.begins_at}, which is after the period's beginning: nothing is known of what was before.`,
  ]);
  expect((await reported("maestro", "--since", String(ledger.begins_at))).reservations).toEqual([]);
});

test("a period ends with a second of which all is committed, unless it is said otherwise", async () => {
  const { period } = await reported("maestro");
  expect(period.until).toBe(new Date(scene.now() - 1_000).toISOString());
});

describe("the file", () => {
  test("is whole, new, and for the user alone", async () => {
    const file = join(folder, "nhi.json");
    expect(await report("owasp-nhi", "--out", file)).toEqual({
      status: 0,
      out: "",
      err: expect.stringMatching(DIGEST),
    });
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ schema: "https://stint.example/report/v1" });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["nhi.json"]);
  });

  test("is not written over one that is there", async () => {
    const file = join(folder, "there");
    writeFileSync(file, "mine");
    const { status, err } = await report("owasp-nhi", "--out", file);
    expect({ status, err }).toEqual({ status: 2, err: `stint: ${file} is there already, and is not written over\n` });
    expect(readFileSync(file, "utf8")).toBe("mine");
  });

  test("that can't be written is named", async () => {
    const { status, err } = await report("owasp-nhi", "--out", join(folder, "nowhere", "r.json"));
    expect({ status, err }).toEqual({
      status: 1,
      err: `stint: ${join(folder, "nowhere", "r.json")}: can't be written (ENOENT)\n`,
    });
  });
});

describe("a report is refused", () => {
  test.for([
    { when: "nobody knows the framework", args: ["iso-42001"], says: "owasp-agentic, owasp-nhi, owasp-mcp, maestro" },
    { when: "it begins in the future", args: ["maestro", "--since", "2999-01-01"], says: "an instant that has passed" },
    { when: "it ends in the future", args: ["maestro", "--until", "2999-01-01"], says: "an instant that has passed" },
    {
      when: "its beginning is no instant",
      args: ["maestro", "--since", "yesterday"],
      says: "Expected an instant such as",
    },
    {
      when: "it ends before it begins",
      args: ["maestro", "--since", "1h", "--until", "2h"],
      says: "--until has to be later than --since",
    },
    { when: "nobody knows the format", args: ["maestro", "--format", "docx"], says: "html, json" },
  ])("when $when", async ({ args, says }) => {
    const { status, out, err } = await report(...(args as [string, ...string[]]));
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).toContain(says);
  });

  test("when no framework is named", async () => {
    const { status, err } = await scene.at(["report"]);
    expect({ status, err }).toMatchObject({ status: 2, err: expect.stringContaining("--framework") });
  });
});
