import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { ATTACKS } from "../../scripts/attacks/all-attacks.ts";
import { attackPage, indexPage, type RunFacts } from "../../scripts/attacks/pages.ts";
import type { AttackResult } from "../../scripts/attacks/run-attack.ts";
import { read, root } from "../docs/documents.ts";

const SCRIPT = fileURLToPath(new URL("../../scripts/attacks.ts", import.meta.url));
/** Far more than a run takes, for one that never ends. */
const TIMEOUT_MS = 240_000;

/** Every attack by its id, with the words by which Stint refuses it: one that is no longer shown must be missed too. */
const REASONS: Readonly<Record<string, readonly string[]>> = {
  "leaked-key": ["NO_IDENTITY"],
  "hijacked-model": ["POLICY_DENIED"],
  "sub-agent": ["GRANT_EXCEEDED", "AUDIENCE_MISMATCH", "AUDIENCE_INVALID", "NOT_ENTITLED", "NOT_ENTITLED"],
  "changed-tool": ["TOOL_NOT_ACCEPTED"],
  "stolen-token": ["PROOF_INVALID", "STEP_CLOSED"],
  "spawned-shell": ["NOT_ENTITLED", "NOT_ENTITLED"],
  "passed-on-token": ["AUDIENCE_MISMATCH", "NOT_ENTITLED"],
  // What was edited is found, a start on it is refused, and one on an older copy issues nothing.
  "edited-database": ["DAMAGED", "REFUSED", "NOT_SERVING"],
};

/** What is another in each run. */
function withoutTheRun(page: string): string {
  return (
    page
      .replaceAll(/its run of \d{4}-\d\d-\d\d/g, "its run of <date>")
      .replaceAll(/(Stint |Node\.js v)\d+(\.\d+)+/g, "$1<version>")
      .replaceAll(/\b\d+(\.\d+)? (ms|s)\b/g, "<time>")
      // A shell adds variables of its own, and each has others.
      .replaceAll(/each of the \d+ values/g, "each of the <number> values")
      .replaceAll(/(\bevent|\btree of|--sequence) \d+/g, "$1 <number>")
      .replaceAll(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "<id>")
      .replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:<port>")
      .replaceAll(/\b(dec|entry)_[0-9a-f-]{36}/g, "$1_<id>")
      .replaceAll(/(\bjti +|--jti )[\w-]{22}/g, "$1<jti>")
      .replaceAll(/issuance is suspended: [^|]+/g, "issuance is suspended: <why> ")
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<instant>")
  );
}

describe("each attack", () => {
  let run: RunFacts;
  let results: readonly AttackResult[];

  beforeAll(async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, "--output", "json"]).catch(
      (failed: { stdout: string; stderr: string }) => {
        // An attack that went otherwise is an exit status too; which one it was is told by the tests.
        if (failed.stdout === "") throw new Error(failed.stderr);
        return failed;
      },
    );
    ({ run, results } = JSON.parse(stdout) as { run: RunFacts; results: readonly AttackResult[] });
  }, TIMEOUT_MS);

  const resultOf = (id: string) => results.find((one) => one.id === id) ?? expect.unreachable(`no attack ${id}`);

  test.for(ATTACKS)("$id succeeds against the usual set-up", ({ id }) => {
    expect(resultOf(id).usual).toMatchObject({ succeeded: true });
  });

  test.for(ATTACKS)("$id is refused by Stint, by the words of the page", ({ id }) => {
    expect(resultOf(id).stint).toMatchObject({ succeeded: false, reasons: REASONS[id] });
  });

  test.for(ATTACKS)("$id is in the ledger, which a proof shows to whoever has the ledger's key", ({ id }) => {
    expect(resultOf(id).ledger).toMatchObject({ proved: true, sequence: expect.any(Number) });
  });

  // Where roles have no users of their own, entries name programs instead, and the ledger says so.
  test.runIf(process.getuid?.() === 0).for(ATTACKS)(
    "$id has a page that says what this run gave: if not, run `make attacks`",
    (attack) => {
      const page = attackPage(attack, resultOf(attack.id), run);
      expect(withoutTheRun(read(`docs/attacks/${attack.id}.md`))).toBe(withoutTheRun(page));
    },
  );

  test.runIf(process.getuid?.() === 0)("is in the index as this run went", () => {
    expect(withoutTheRun(read("docs/attacks/README.md"))).toBe(withoutTheRun(indexPage(results, run)));
  });
});

test("there is a page for each attack, and none besides", () => {
  const pages = globSync("docs/attacks/*.md", { cwd: root }).map((path) => basename(path, ".md"));
  expect(pages.sort()).toEqual(["README", ...ATTACKS.map(({ id }) => id)].sort());
  expect(Object.keys(REASONS)).toEqual(ATTACKS.map(({ id }) => id));
});

test("an output format that there is not is refused", async () => {
  await expect(promisify(execFile)(process.execPath, [SCRIPT, "--output", "xml"])).rejects.toMatchObject({ code: 2 });
});
