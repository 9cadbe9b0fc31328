import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { FIGURES } from "../../../src/cli/report/figures.ts";
import { claimsFrom, frameworkFrom } from "../../../src/cli/report/framework.ts";
import { FRAMEWORK_NAMES } from "../../../src/cli/report/framework-names.ts";
import { readClaims, readFramework } from "../../../src/cli/report/read-framework.ts";
import { read } from "../../docs/documents.ts";

// The mapping is data that auditors are shown: each claim is a promise that is kept elsewhere, with the tests that show it.

/** Rows of the table of docs/security.md, as claims name them; an empty first cell stands for the one above it. */
function promises(): ReadonlySet<string> {
  let who = "";
  const rows = read("docs/security.md").matchAll(/^\| ?(.*?) ?\| (.+?) \| (.+?) \| (.+?) \|$/gm);
  return new Set(
    [...rows].map(([, named = "", what = ""]) => {
      who = named.trim() || who;
      return `${who}: ${what}`;
    }),
  );
}

test("there is a file for each framework, and none besides", () => {
  const files = readdirSync(new URL("../../../frameworks/", import.meta.url));
  expect(files.toSorted()).toEqual([...FRAMEWORK_NAMES, "claims"].map((name) => `${name}.yaml`).toSorted());
});

test("each claim names a promise of docs/security.md", async () => {
  const kept = promises();
  expect(kept.size).toBeGreaterThan(100);
  const broken = [...(await readClaims())].filter(([, { promise }]) => !kept.has(promise));
  expect(broken.map(([name, { promise }]) => `${name}: ${promise}`)).toEqual([]);
});

test("each claim and each figure is of some framework", async () => {
  const frameworks = await Promise.all(FRAMEWORK_NAMES.map(readFramework));
  const claimed = frameworks.flatMap(({ controls }) => controls.flatMap(({ does }) => does));
  const said = new Set(claimed.map(({ says }) => says));
  expect([...(await readClaims())].filter(([, { says }]) => !said.has(says)).map(([name]) => name)).toEqual([]);
  const counted = new Set(claimed.flatMap(({ figures }) => figures));
  expect(Object.keys(FIGURES).filter((name) => !(counted as ReadonlySet<string>).has(name))).toEqual([]);
});

/** How many controls a framework numbers; of those without a closed list what is described. */
const CONTROLS = {
  "owasp-agentic": 27,
  "owasp-nhi": 10,
  "owasp-mcp": 10,
  maestro: 7,
  "nist-ai-rmf": 72,
  "nist-csf": 106,
} as const;

test.for(Object.entries(CONTROLS))("%s has all of its %i controls", async ([name, count]) => {
  const { controls, nothingFor } = await readFramework(name as keyof typeof CONTROLS);
  expect(controls.length + nothingFor.length).toBe(count);
});

test.for(FRAMEWORK_NAMES)("%s says of which edition it is, where that is, and when it was looked at", async (name) => {
  const { source, reviewed, date } = await readFramework(name);
  expect(source).toMatch(/^https:\/\/[^ ]+$/);
  expect(reviewed).toMatch(/^20\d\d-\d\d-\d\d: /);
  expect(date).toMatch(/^20\d\d(-\d\d){0,2}$/);
});

describe("a file that is not as it should be is refused by what is wrong:", () => {
  const claims = claimsFrom({ kept: { says: "It is.", promise: "a: b", figures: ["closes"] } });
  const control = { id: "C1", title: "T", does: ["kept"], not_covered: "All else." };
  const file = {
    name: "F",
    version: "1",
    date: "2026",
    source: "https://example.org",
    reviewed: "2026-11-30: yes",
    nothing_because: "None.",
    controls: [control],
  };
  test("nothing is", () => {
    expect(frameworkFrom("maestro", file, claims).controls[0]?.does[0]?.figures).toEqual(["closes"]);
  });
  test.for([
    {
      wrong: "a claim that nobody makes",
      change: { controls: [{ ...control, does: ["kept", "made-up"] }] },
      says: "no claim made-up",
    },
    { wrong: "a control twice", change: { nothing_for: ["C1"] }, says: "the control C1 is there twice" },
    {
      wrong: "what is not covered is not said",
      change: { controls: [{ ...control, not_covered: " " }] },
      says: "C1: not_covered: no text",
    },
    { wrong: "an unknown member", change: { coverage: "full" }, says: "unknown member coverage" },
    { wrong: "no source", change: { source: 1 }, says: "source: no text" },
  ])("$wrong", ({ change, says }) => {
    expect(() => frameworkFrom("maestro", { ...file, ...change }, claims)).toThrow(says);
  });
  test.for([
    {
      wrong: "a figure that is not counted",
      claim: { says: "x", promise: "a: b", figures: ["luck"] },
      says: "one: figures: there is no luck",
    },
    {
      wrong: "no figure",
      claim: { says: "x", promise: "a: b", figures: [] },
      says: "a claim is shown by one at least",
    },
    {
      wrong: "an example that is not known",
      claim: { says: "x", promise: "a: b", figures: ["closes"], examples: ["luck"] },
      says: "there is no luck",
    },
  ])("a claim with $wrong", ({ claim, says }) => {
    expect(() => claimsFrom({ one: claim })).toThrow(says);
  });
});

test("no sentence of the mapping is there twice", () => {
  const claims = parse(readFileSync(new URL("../../../frameworks/claims.yaml", import.meta.url), "utf8")) as Record<
    string,
    { readonly says: string }
  >;
  const said = Object.values(claims).map(({ says }) => says);
  expect(new Set(said).size).toBe(said.length);
});
