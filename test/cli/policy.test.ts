import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runStint } from "./running.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "stint-policy-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const PERMIT = "permit (principal, action, resource);\n";
const write = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o644 });
  return path;
};
const validate = (...args: string[]) => runStint(["policy", "validate", ...args]);
const test1 = (...args: string[]) => runStint(["policy", "test", directory, ...args]);

test("schema prints what policies can ask about", async () => {
  const { status, out } = await runStint(["policy", "schema"]);
  expect(status).toBe(0);
  for (const type of ["Agent", "Runtime", "Principal", "Run", "Step", "Server", "Tool", "DataClass"]) {
    expect(out).toMatch(new RegExp(`^entity ${type}\\b`, "m"));
  }
  expect(out).toMatch(/^action read, write, execute, retrieve_secret, move_data /m);
});

describe("validate", () => {
  test("of nothing is of the baseline", async () => {
    expect(await validate()).toEqual({
      status: 0,
      out: "",
      err: "stint: policies without a finding: 0, and 6 of the baseline\n",
    });
  });

  test.for([
    { where: "nowhere", below: "" },
    { where: "in a directory below", below: "sub" },
  ])("of a directory whose policies are $where is a mistake, and not of the baseline", async ({ below }) => {
    write("site.test.yaml", "");
    mkdirSync(join(directory, "sub"));
    if (below !== "") write(join(below, "site.cedar"), PERMIT);
    const err = `stint: ${directory}: holds no file *.cedar; to have the baseline alone, give no directory\n`;
    expect(await validate(directory)).toEqual({ status: 2, out: "", err });
  });

  test("of a file that holds no policy yet counts none: it was meant", async () => {
    write("site.cedar", "// None yet.\n");
    expect(await validate(directory)).toMatchObject({ status: 0, err: expect.stringContaining(": 0, and 6 of") });
  });

  test("of nothing, and without the baseline, is a mistake", async () => {
    expect(await validate("--no-baseline")).toEqual({
      ...{ status: 2, out: "", err: "stint: --no-baseline: only with policies of one's own\n" },
    });
  });

  test("of a directory counts its policies, tells what it ignores, and leaves tests alone", async () => {
    write("a.cedar", PERMIT);
    write("notes.txt", "");
    write("a.test.yaml", "");
    expect(await validate(directory)).toEqual({
      status: 0,
      out: "",
      err: `stint: ${join(directory, "notes.txt")}: ignored: not named *.cedar\nstint: policies without a finding: 1, and 6 of the baseline\n`,
    });
  });

  test("of files with faults says where each is, and fails", async () => {
    const one = write("one.cedar", 'permit (principal, action == Action::"raed", resource);');
    const two = write("two.cedar", `${PERMIT}\n  permit (principal, action, resource) when { context.no == 1 };`);
    const { status, out } = await validate(one, two);
    expect(status).toBe(1);
    expect(out).toContain(`${one}:1:30: unrecognized action \`Action::"raed"\``);
    expect(out).toMatch(new RegExp(`^${two}:3:47: attribute \`no\` .* not found`, "m"));
    expect(await validate(directory)).toMatchObject({ status: 1, out });
  });

  test("finds an id of the baseline, unless the baseline is left out", async () => {
    write("site.cedar", `@id("baseline.ceiling") ${PERMIT}`);
    const { status, out } = await validate(directory);
    expect([status, out]).toEqual([1, expect.stringContaining("another policy of the set has this id too")]);
    expect((await validate("--no-baseline", directory)).status).toBe(0);
  });

  test("shows controls of a policy's text instead of obeying them", async () => {
    write("site.cedar", 'permit (principal == Agent::"\u001b[2J", action == Action::"\u001b[2J", resource);');
    const { status, out } = await validate(directory);
    expect(status).toBe(1);
    expect(out).not.toContain("\u001b");
  });

  test("as data has the place in members", async () => {
    write("site.cedar", "permit (principal, action, resourc);");
    const { status, out } = await runStint(["-o", "json", "policy", "validate", directory]);
    expect(status).toBe(1);
    expect(JSON.parse(out)).toMatchObject([
      { file: join(directory, "site.cedar"), line: 1, column: 28, policy: "site.1" },
    ]);
  });

  test("of what is not there fails", async () => {
    expect(await validate(join(directory, "no.cedar"))).toMatchObject({
      status: 1,
      out: expect.stringContaining("ENOENT"),
    });
  });
});

const GRANT = "[{ identifier: t, locations: [https://s.example.org], actions: [read], datatypes: [public] }]";
const oneCase = (rest: string, request = ""): string =>
  `tests:\n  - name: one\n    request: { agent: a, ${request}grant: ${GRANT} }\n${rest}`;

describe("test", () => {
  test("passes what is answered as expected, and shows by which policies", async () => {
    write("site.cedar", '@id("no") forbid (principal == Agent::"a", action == Action::"read", resource);');
    write(
      "site.test.yaml",
      oneCase("    expect: deny\n    policies: [no]\n    elements: [deny]\n    approval: none\n"),
    );
    const { status, out, err } = await test1();
    expect([status, err]).toEqual([0, "stint: passed: 1, failed: 0\n"]);
    expect(out).toMatch(/^RESULT +TEST +AT +WHY\npassed +one +\S+site\.test\.yaml:2:5 +no\n$/);
  });

  test.for([
    { of: "effect", rest: "    expect: allow\n", why: "expected allow, got deny by no" },
    { of: "policies", rest: "    expect: deny\n    policies: [other]\n", why: "policies: expected other, got no" },
    { of: "elements", rest: "    expect: deny\n    elements: [allow]\n", why: "elements: expected allow, got deny" },
    {
      of: "approval",
      rest: "    expect: deny\n    approval: operators\n",
      why: "approval: expected operators, got none",
    },
  ])("fails what has another $of, and says which", async ({ rest, why }) => {
    write("site.cedar", '@id("no") forbid (principal, action == Action::"read", resource);');
    write("site.test.yaml", oneCase(rest));
    const { status, out, err } = await test1();
    expect([status, err]).toEqual([1, "stint: passed: 0, failed: 1\n"]);
    expect(out).toContain(why);
  });

  test("fails a deny that is one only since a policy could not be evaluated", async () => {
    write(
      "site.cedar",
      'forbid (principal, action == Action::"read", resource) when { context.steps + 9223372036854775807 < 0 };',
    );
    write("site.test.yaml", oneCase("    expect: deny\n", "facts: { steps: 1 }, "));
    expect(await test1()).toMatchObject({ status: 1, out: expect.stringContaining("could not be evaluated: site.1") });
  });

  test("leaves the baseline out where that is asked for: then nothing is permitted", async () => {
    write("site.cedar", 'forbid (principal == Agent::"b", action, resource);\n');
    write("site.test.yaml", oneCase("    expect: allow\n"));
    expect(await test1()).toMatchObject({ status: 0, err: "stint: passed: 1, failed: 0\n" });
    expect(await test1("--no-baseline")).toMatchObject({ status: 1, out: expect.stringContaining("got deny by none") });
  });

  test.for([
    { flags: [], status: 0, asked: "the baseline alone is", result: "passed: 1, failed: 0" },
    { flags: ["--no-baseline"], status: 1, asked: "no policies are", result: "passed: 0, failed: 1" },
  ])("says of a directory without policies which were asked: $flags", async ({ flags, status, asked, result }) => {
    write("site.test.yaml", oneCase("    expect: allow\n"));
    expect(await test1(...flags)).toMatchObject({
      ...{ status, err: `stint: ${directory}: holds no file *.cedar, so ${asked} asked\nstint: ${result}\n` },
    });
  });

  test("confines a run by the classes of data that the file lists, as the broker does", async () => {
    write(
      "site.test.yaml",
      `data_classes:
  pii: { sensitivity: restricted, security_domain: ["https://in.example.org"] }
tests:
${["in", "out"]
  .map(
    (where) => `  - name: ${where}
    request:
      agent: a
      facts: { classes: [pii] }
      grant: [{ identifier: t, locations: ["https://${where}.example.org"], actions: [write], datatypes: [pii] }]
    expect: ${where === "in" ? "allow" : "deny"}
`,
  )
  .join("")}`,
    );
    expect(await test1()).toMatchObject({ status: 0, err: expect.stringContaining("passed: 2, failed: 0\n") });
  });

  test.for([
    { what: "no YAML", yaml: "tests: [", at: "1:9", says: "not valid YAML" },
    {
      what: "an unknown key",
      yaml: oneCase("    expcet: deny\n"),
      at: "4:13",
      says: "tests[0].expcet: unknown; expected name,",
    },
    { what: "no expectation", yaml: oneCase(""), at: "2:5", says: "tests[0].expect: one of allow, deny" },
    {
      what: "another expectation",
      yaml: oneCase("    expect: yes\n"),
      at: "4:13",
      says: "tests[0].expect: one of allow, deny",
    },
    {
      what: "an unknown key of the request",
      yaml: oneCase("    expect: deny\n", "agnet: b, "),
      at: "3:33",
      says: "tests[0].request.agnet: unknown",
    },
    {
      what: "a risk that there is not",
      yaml: oneCase("    expect: deny\n", "risk: hihg, "),
      at: "3:32",
      says: "tests[0].request.risk: one of low, elevated, high",
    },
    {
      what: "a grant that no runtime could ask for",
      yaml: oneCase("    expect: deny\n").replace("[read]", "[raed]"),
      at: "3:96",
      says: "tests[0].request.grant[0].actions: of read, write",
    },
    {
      what: "as many answers as there are no elements",
      yaml: oneCase("    expect: deny\n    elements: [deny, deny]\n"),
      at: "5:15",
      says: "tests[0].elements: one answer for each element of the grant",
    },
    {
      what: "an instant that is none",
      yaml: oneCase("    expect: deny\n", "at: yesterday, "),
      at: "3:30",
      says: "tests[0].request.at: an instant such as",
    },
    { what: "a text for tests", yaml: "tests: none\n", at: "1:8", says: "tests: a list" },
    { what: "nothing", yaml: "", at: "1:1", says: "a mapping with tests, data_classes" },
  ])("refuses a file with $what, and says where", async ({ yaml, at, says }) => {
    const path = write("site.test.yaml", yaml);
    const { status, out } = await test1();
    expect([status, out]).toEqual([1, expect.stringContaining(`${path}:${at}: `)]);
    expect(out).toContain(says);
  });

  test("does not run against policies with a finding", async () => {
    write("site.cedar", "permit (principal, action, resourc);");
    write("site.test.yaml", oneCase("    expect: allow\n"));
    expect(await test1()).toMatchObject({ status: 1, out: expect.stringContaining("site.cedar:1:28: ") });
  });

  test("without a file of tests is a mistake", async () => {
    mkdirSync(join(directory, "sub"));
    expect((await test1()).status).toBe(2);
  });
});
