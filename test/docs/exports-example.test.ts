import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  DECISION_COLUMNS,
  EVENT_COLUMNS,
  type ExportColumn,
  ISSUANCE_COLUMNS,
} from "../../src/cli/export/export-columns.ts";
import { pythonIsMissing, pythonWithPackages } from "../conformance/python/python-environment.ts";
import { closeStep, issueJwt, openStep, sessionWith, startOwnDaemon } from "../faults/daemon-scene.ts";
import { read } from "./documents.ts";

const run = promisify(execFile);
const folder = import.meta.dirname;
const scripts = join(folder, "../../scripts");
/** Each command is a process of its own, on a machine that may be busy; Python's packages are installed once. */
const SCRIPT_MS_MAX = 300_000;

describe("the guide for exports", () => {
  test.for([
    { of: "issuances", columns: ISSUANCE_COLUMNS },
    { of: "decisions", columns: DECISION_COLUMNS },
    { of: "events", columns: EVENT_COLUMNS },
  ] as readonly { readonly of: string; readonly columns: readonly ExportColumn<never>[] }[])(
    "has the columns of $of as they are written",
    ({ of, columns }) => {
      const rows = columns.map(({ name, kind, says }) => `| \`${name}\` | ${kind} | ${says} |`);
      const table = [`### Of ${of}`, "", "| column | is | says |", "|---|---|---|", ...rows].join("\n");
      expect(read("docs/guides/exports.md")).toContain(`${table}\n`);
    },
  );

  test.skipIf(pythonIsMissing() !== undefined)(
    "is done as it says, by its commands, by DuckDB and by a verifier of envelopes",
    async () => {
      const python = await pythonWithPackages(join(folder, "../conformance/exports/requirements.txt"));
      const daemon = await startOwnDaemon();
      const session = sessionWith(daemon);
      const { stepId } = await openStep(session, "report-7");
      await issueJwt(session, stepId);
      await closeStep(session, stepId);
      const cwd = mkdtempSync(join(tmpdir(), "stint-exports-"));
      onTestFinished(() => rmSync(cwd, { recursive: true }));
      const path = `${scripts}${delimiter}${process.env["PATH"] ?? ""}`;
      const env = { ...process.env, PATH: path, STINT_OPERATOR_SOCKET: daemon.operatorSocket };
      await run("bash", [join(folder, "exports.sh")], { cwd, env });
      expect(readFileSync(join(cwd, "week.jsonl"), "utf8")).toContain(stepId);
      expect(readFileSync(join(cwd, "report-7.csv"), "utf8").split("\r\n")).toHaveLength(3);
      expect(readdirSync(join(cwd, "issuances"))).toEqual(["part-000001.parquet"]);
      expect(existsSync(join(cwd, "ledger.jsonl.gz"))).toBe(true);
      const { stdout } = await run(python, ["-B", join(folder, "query_export.py")], { cwd });
      expect(stdout).toMatch(/worker +│ +https:\/\/\S+ +│ +1 +│ +1 /);
      expect(stdout).toMatch(/report-7 +│ +allow/);
      await run(python, ["-B", join(folder, "verify_record.py")], { cwd });
    },
    SCRIPT_MS_MAX,
  );
});
