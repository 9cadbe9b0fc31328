import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recordPast } from "../../cli/exported-past.ts";
import { runStint } from "../../cli/running.ts";
import { type Daemon, startDaemon } from "../../daemon.ts";
import { pythonIsMissing, pythonWithPackages } from "../python/python-environment.ts";

// Exports of a real broker, read by programs that know nothing of Stint.

const run = promisify(execFile);
const INSTALL_MS_MAX = 300_000;
const PAST = { steps: 4, credentials: 3 };
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

type Row = { readonly [member: string]: unknown };

let daemon: Daemon;
let folder: string;
let python: string;

describe.skipIf(pythonIsMissing() !== undefined)("an export, read by others", () => {
  beforeAll(async () => {
    python = await pythonWithPackages(join(import.meta.dirname, "requirements.txt"));
    const first = await startDaemon();
    await first.stop();
    await recordPast(first, PAST);
    daemon = await first.restart();
    folder = mkdtempSync(join(tmpdir(), "stint-exports-"));
  }, INSTALL_MS_MAX);
  afterAll(async () => {
    if (folder !== undefined) rmSync(folder, { recursive: true });
    await daemon?.[Symbol.asyncDispose]();
  });

  const made = new Map<string, Promise<string>>();

  /** The path of an export, which is made once. */
  function exported(rows: string, format: string): Promise<string> {
    const out = join(folder, `${rows}.${format}`);
    const making = made.get(out) ?? exportTo(out, rows, format);
    made.set(out, making);
    return making;
  }

  async function exportTo(out: string, rows: string, format: string): Promise<string> {
    const args = ["--operator-socket", daemon.operatorSocket, "history", "export", rows, "--format", format];
    expect(await runStint([...args, "--out", out])).toMatchObject({ status: 0 });
    return out;
  }

  async function answerOf(script: string, ...args: readonly string[]): Promise<unknown> {
    const { stdout } = await run(python, ["-B", join(import.meta.dirname, script), ...args], {
      maxBuffer: OUTPUT_BYTES_MAX,
    });
    return JSON.parse(stdout) as unknown;
  }

  const lines = (path: string): readonly Row[] =>
    readFileSync(path, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Row);

  test.for(["issuances", "decisions", "events"])(
    "Parquet of %s has the rows of the JSON lines, to pyarrow and to DuckDB",
    async (rows) => {
      const read = (await answerOf("read_parquet.py", await exported(rows, "parquet"))) as {
        readonly schema: Readonly<Record<string, string>>;
        readonly duckdb: Readonly<Record<string, string>>;
        readonly pyarrow_rows: readonly Row[];
        readonly duckdb_rows: readonly Row[];
      };
      const expected = lines(await exported(rows, "jsonl")).map((row) =>
        Object.fromEntries(Object.entries(row).map(([name, value]) => [name, inParquet(value, read.schema[name])])),
      );
      expect(expected.length).toBeGreaterThan(0);
      expect(read.pyarrow_rows).toEqual(expected);
      expect(read.duckdb_rows).toEqual(expected);
      expect(Object.keys(read.schema)).toEqual(Object.keys(expected[0] ?? {}));
      expect({ arrow: new Set(Object.values(read.schema)), duckdb: new Set(Object.values(read.duckdb)) }).toEqual({
        arrow: typesOf(rows, ["int64", "string", "timestamp[us, tz=UTC]", "list<element: string not null>"]),
        duckdb: typesOf(rows, ["BIGINT", "VARCHAR", "TIMESTAMP WITH TIME ZONE", "VARCHAR[]"]),
      });
    },
  );

  test("audit records are in-toto Statements in DSSE envelopes that another implementation verifies", async () => {
    const out = join(folder, "records.jsonl");
    const args = ["history", "export", "records", "--format", "in-toto", "--out", out];
    const { status, err } = await runStint(["--operator-socket", daemon.operatorSocket, ...args]);
    expect(status).toBe(0);
    const [key = ""] = /-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/.exec(err) ?? [];
    writeFileSync(`${out}.pem`, key);
    const told = (await answerOf("verify_records.py", out, `${out}.pem`)) as {
      readonly statements: readonly { readonly subject: readonly [{ readonly digest: { readonly sha256: string } }] }[];
      readonly changed: readonly string[];
    };
    expect(told.changed.length).toBe(told.statements.length);
    expect(new Set(told.changed)).toEqual(new Set(["refused"]));
    const decisions = lines(await exported("decisions", "jsonl"));
    expect(told.statements).toHaveLength(decisions.length);

    // The subject is the decision's event, byte for byte as the ledger has it.
    const events = lines(await exported("events", "jsonl")).filter(({ type }) => type === "decision.made");
    expect(told.statements.map(({ subject }) => subject[0].digest.sha256)).toEqual(
      events.map(({ canonical }) => hash("sha256", String(canonical))),
    );
    const opening = told.statements.find((_, index) => decisions[index]?.["act"] === "open");
    expect(opening).toMatchObject({
      _type: "https://in-toto.io/Statement/v1",
      predicateType: "https://stint.example/audit-record/v1",
      predicate: {
        agent: { spiffeId: expect.stringMatching(/^spiffe:\/\/example.org\/agent\//), attempt: 1 },
        delegatedSubject: {},
        resources: [{ location: "https://mcp.example.org/search", tool: "search", datatypes: ["internal"] }],
        decision: { act: "open", actions: ["read"], effect: "allow" },
        time: { decidedAt: expect.stringMatching(/^20.*\.[0-9]{6}Z$/), sequence: expect.any(Number) },
        posture: {},
        remediation: { credentialsRevoked: 1, closedAt: expect.stringMatching(/^20/) },
        observedEffect: { kind: "step", state: "COMPLETED", credentials: PAST.credentials, callsReported: [] },
      },
    });
  });

  test("OCSF events are what the published schema of their class and version says", async () => {
    const told = (await answerOf(
      "check_ocsf.py",
      await exported("issuances", "ocsf"),
      await exported("decisions", "ocsf"),
    )) as {
      readonly checked: Readonly<Record<string, number>>;
      readonly wrong: readonly string[];
      readonly broken: readonly string[];
    };
    expect(told.wrong).toEqual([]);
    const { length: issuances } = lines(await exported("issuances", "ocsf"));
    const { length: decisions } = lines(await exported("decisions", "ocsf"));
    expect(told.checked).toEqual({ authentication: issuances, authorize_session: decisions - 2, api_activity: 2 });
    // The check can fail: each event without one of its required members does.
    expect(told.broken).not.toContain("accepted");
    expect(told.broken).toHaveLength(issuances + decisions);
  });
});

/** Events alone have no lists. */
function typesOf(rows: string, types: readonly string[]): ReadonlySet<string> {
  return new Set(rows === "events" ? types.slice(0, 3) : types);
}

/** What a value of the JSON lines is in Parquet. */
function inParquet(value: unknown, type: string | undefined): unknown {
  if (type?.startsWith("timestamp") === true) return value === null ? null : microsOf(String(value));
  return typeof value === "object" && value !== null && type === "string" ? JSON.stringify(value) : value;
}

/** By way of the text's own digits, not by that of the code under test. */
function microsOf(instant: string): number {
  const fraction = /\.([0-9]+)Z$/.exec(instant)?.[1] ?? "";
  return Date.parse(instant.replace(/\.[0-9]+Z$/, "Z")) * 1_000 + Number(fraction.padEnd(6, "0"));
}
