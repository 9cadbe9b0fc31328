import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { GUARD_KEYS, readGuardConfig } from "../../src/guard/guard-config.ts";

const folder = import.meta.dirname;
const guide = readFileSync(join(folder, "../../docs/guides/guard.md"), "utf8");

test("the guide's file is one that the guard takes, and is for the audience of the guide's entry", () => {
  const config = readGuardConfig(join(folder, "guard.yaml"), []);
  expect(config).toMatchObject({
    upstream: { kind: "http" },
    secrets: { github: { kind: "file" }, "github-admin": { kind: "command", keepSeconds: 300 } },
    injections: [
      { kind: "header", tools: ["search_code", "read_file"] },
      { kind: "header", tools: ["delete_branch"] },
    ],
    check: { actions: ["write"], acceptPending: true },
    proof: "accepted",
    reportUsage: true,
    pinTools: true,
  });
  const [entry] = parse(readFileSync(join(folder, "guard-entry.yaml"), "utf8")).entries;
  expect(entry).toMatchObject({ kind: "verifier", audiences: [config.resource] });
});

test("the guide names every key of the file", () => {
  expect(GUARD_KEYS.length).toBeGreaterThan(10);
  expect(GUARD_KEYS.filter((key) => !guide.includes(`\`${key}\``) && !guide.includes(`\`${key}.`))).toEqual([]);
});
