import { execFileSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError } from "../../src/config/finding.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { configFile, findingsOf, LEAST } from "./config-files.ts";

/** Eight levels of nine aliases each: 43 million values in 400 bytes. */
const LAUGHS = [..."abcdefgh"]
  .map((name, level, names) => {
    const below = level === 0 ? "x" : `*${names[level - 1] ?? ""}`;
    return `${name}: &${name} [${Array(9).fill(below).join(", ")}]\n`;
  })
  .join("");

test.for<{ readonly what: string; readonly content: string | Uint8Array; readonly finding: RegExp }>([
  { what: "aliases that stand for more than there is memory", content: LAUGHS, finding: /: more than 100000 values/ },
  { what: "an alias within what it stands for", content: "entries: &x [*x]\n", finding: /:1:\d+: nested too deep/ },
  { what: "lists within lists", content: `a: ${"[".repeat(50)}${"]".repeat(50)}\n`, finding: /: nested too deep/ },
  { what: "lists that are deeper than the stack", content: "[".repeat(200_000), finding: /^stint\.yaml:1:\d+: / },
  {
    what: "a file of ten megabytes",
    content: "#".repeat(10_000_000),
    finding: /:1:1: expected at most 1048576 bytes$/,
  },
  { what: "nothing", content: "", finding: /:1:1: expected a mapping of trust_domain, / },
  { what: "a list where settings belong", content: "- a\n", finding: /:1:1: expected a mapping of trust_domain, / },
  { what: "bytes that are no UTF-8", content: Uint8Array.of(0x61, 0xff, 0xfe), finding: /:1:1: expected UTF-8$/ },
  {
    what: "a key __proto__",
    content: `${LEAST}__proto__: {development: true}\n`,
    finding: /:3:1: __proto__: no such key/,
  },
  {
    what: "a key constructor",
    content: `${LEAST}log: {constructor: {}}\n`,
    finding: /:3:7: log\.constructor: no such key/,
  },
  { what: "a merge key", content: `${LEAST}<<: {development: true}\n`, finding: /:3:1: "<<": no such key/ },
  { what: "a key that is a list", content: `${LEAST}? [a]\n: 1\n`, finding: /:3:3: expected a key that is text$/ },
  { what: "a key that is a number", content: `${LEAST}1: a\n`, finding: /:3:1: expected a key that is text$/ },
  { what: "a tag that would make code", content: "a: !!js/function 'x'\n", finding: /:1:4: expected no tag$/ },
  {
    what: "a second document",
    content: `${LEAST}---\n${LEAST}`,
    finding: /:3:1: expected one document, here begins another$/,
  },
  { what: "YAML 1.1", content: `%YAML 1.1\n---\n${LEAST}`, finding: /expected YAML 1\.2, not another version$/ },
  {
    what: "tabs as indentation",
    content: "log:\n\tlevel: info\n",
    finding: /:2:1: expected indentation by spaces, not by tabs$/,
  },
  { what: "an alias of nothing", content: "a: *b\n", finding: /:1:4: / },
])("refuses $what", ({ content, finding }) => {
  expect(findingsOf(content)[0]).toMatch(finding);
});

test("a key can't forge a line of the report, nor reach the terminal raw", () => {
  const [line] = findingsOf(`${LEAST}"x\\n\\e[31mstint.yaml:1:1: all is well\\u2028": 1\n`);
  expect(line).toMatch(/^stint\.yaml:3:1: "x\\n\\u001b\[31mstint\.yaml:1:1: all is well/);
  for (const raw of ["\n", "\u001b", "\u2028"]) expect(line).not.toContain(raw);
});

test("a file that anybody may change is not believed", () => {
  expect(() => loadConfig(configFile(LEAST, 0o666), {})).toThrow(/:1:1: anybody may write to it/);
});

test("a file that is not there is named", () => {
  const path = configFile(LEAST);
  rmSync(path);
  expect(() => loadConfig(path, {})).toThrow(`${path}:1:1: can't be read (ENOENT)`);
});

test("a FIFO is refused at once, not waited for", () => {
  const path = configFile("");
  rmSync(path);
  execFileSync("mkfifo", [path]);
  chmodSync(path, 0o600);
  expect(() => loadConfig(path, {})).toThrow(/:1:1: expected a file$/);
});

test("whatever the file says, it is taken or refused with findings of one line each", () => {
  const scalar = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constantFrom("null", "__proto__", "*a", "&a", "5m"),
  );
  const key = fc.constantFrom(
    "trust_domain",
    "issuer",
    "http",
    "tls",
    "listen",
    "entries",
    "kind",
    "ceiling",
    "name",
    "x",
  );
  const node = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      scalar,
      fc.array(tie("node"), { maxLength: 3 }),
      fc.dictionary(key, tie("node"), { maxKeys: 4 }),
    ),
  })).node;
  const text = fc.oneof(
    node.map((value) => JSON.stringify(value)),
    fc.string({ unit: "binary", maxLength: 200 }),
  );
  fc.assert(
    fc.property(text, (content) => {
      try {
        loadConfig(configFile(content), {});
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(ConfigError);
        const { findings, message } = thrown as ConfigError;
        expect(findings.length).toBeGreaterThan(0);
        expect(message.split("\n")).toHaveLength(findings.length);
      }
    }),
    { numRuns: 300 },
  );
});
