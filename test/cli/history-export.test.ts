import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DECISION_COLUMNS, EVENT_COLUMNS, ISSUANCE_COLUMNS } from "../../src/cli/export/export-columns.ts";
import { type ExportedIssuance, ExportedRows } from "../../src/gen/stint/v1/history_pb.js";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { type Daemon, startDaemon } from "../daemon.ts";
import { operatorOf } from "../e2e/operator.ts";
import { STINT } from "../programs.ts";
import { recordPast } from "./exported-past.ts";
import { runStint } from "./running.ts";

// A real broker with some thousand rows of history, exported by the command line.

const PAST = { steps: 12, credentials: 500 };

let daemon: Daemon;
let folder: string;
/** The last sequence at which two thirds of the steps were open. */
let pastEnd: number;
beforeAll(async () => {
  const first = await startDaemon();
  await first.stop();
  pastEnd = await recordPast(first, PAST);
  daemon = await first.restart();
  folder = mkdtempSync(join(tmpdir(), "stint-export-"));
});
afterAll(async () => {
  if (folder !== undefined) rmSync(folder, { recursive: true });
  await daemon?.[Symbol.asyncDispose]();
});

const stint = (...args: readonly string[]) => runStint(["--operator-socket", daemon.operatorSocket, ...args]);
const exportTo = (...args: readonly string[]) => stint("history", "export", ...args);
const file = (name: string) => join(folder, name);

type Row = { readonly [member: string]: unknown; readonly sequence: number };
const rowsIn = (text: string): readonly Row[] =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Row);

/** Starts an export and kills its process once it has kept a state that is worth something. */
async function killedExport(out: string, ...args: readonly string[]): Promise<void> {
  const child = spawn(
    process.execPath,
    [STINT, "--operator-socket", daemon.operatorSocket, "history", "export", ...args, "--out", out],
    { stdio: "ignore" },
  );
  const exited = once(child, "exit");
  const state = `${out}.partial.json`;
  while (child.exitCode === null) {
    if (existsSync(state) && (JSON.parse(readFileSync(state, "utf8")) as { count: number }).count > 0) break;
    await turn();
  }
  child.kill("SIGKILL");
  expect((await exited)[1]).toBe("SIGKILL");
}

describe("an export", () => {
  test("has every issuance once, oldest first, with what became of it and of its step", async () => {
    const { status, out, err } = await exportTo("issuances");
    expect(status).toBe(0);
    const rows = rowsIn(out);
    expect(err).toMatch(new RegExp(`^stint: rows: ${rows.length}, of the ledger through sequence [0-9]+\n$`));
    const ofSteps = rows.filter((row) => row["step_id"] !== null);
    expect(ofSteps).toHaveLength(PAST.steps * PAST.credentials);
    expect(new Set(rows.map((row) => row["issuance_id"])).size).toBe(rows.length);
    expect(rows.map((row) => row.sequence)).toEqual(rows.map((row) => row.sequence).toSorted((a, b) => a - b));
    expect(Object.keys(rows[0] ?? {})).toEqual(ISSUANCE_COLUMNS.map(({ name }) => name));
    const byItself = ofSteps.filter((row) => row["revocation_reason"] === "keyCompromise");
    expect(byItself).toHaveLength(Math.ceil(PAST.steps / 10));
    expect(byItself[0]).toMatchObject({ state: "REVOKED", revoked_at: expect.stringMatching(/^20.*Z$/) });
    const completed = ofSteps.filter((row) => row["step_state"] === "COMPLETED");
    expect(completed).toHaveLength(Math.ceil(PAST.steps / 3) * PAST.credentials);
    expect(completed.every((row) => row["state"] === "REVOKED" && row["revoked_at"] !== null)).toBe(true);
    expect(ofSteps[0]?.["decision_id"]).toMatch(/^dec_/);
  });

  test("is of the ledger at one sequence: what was closed or taken back later is not", async () => {
    using operator = operatorOf(daemon.operatorSocket);
    const asOf = async (throughSequence: number) => {
      const issuances: ExportedIssuance[] = [];
      const pages = operator.history.export({
        rows: ExportedRows.ISSUANCES,
        throughSequence: BigInt(throughSequence),
        asOf: timestampFromMs(Date.now()),
      });
      for await (const page of pages)
        issuances.push(...page.issuances.filter(({ issuance }) => issuance?.stepId !== ""));
      return issuances;
    };
    const states = (issuances: readonly ExportedIssuance[]) =>
      Object.entries(Object.groupBy(issuances, (one) => StepState[one.stepState] ?? "")).map(([state, of]) => [
        state,
        of?.length,
      ]);
    const closed = PAST.steps / 3;
    const then = await asOf(pastEnd);
    expect(states(then)).toEqual([
      ["COMPLETED", closed * PAST.credentials],
      ["OPEN", (PAST.steps - closed) * PAST.credentials],
    ]);
    const isRevoked = ({ issuance }: ExportedIssuance) => issuance?.revokedAt !== undefined;
    expect(then.filter((one) => one.stepState === StepState.OPEN && isRevoked(one))).toHaveLength(1);
    const now = await asOf(0);
    expect(states(now)).toEqual([
      ["COMPLETED", closed * PAST.credentials],
      ["REVOKED", (PAST.steps - closed) * PAST.credentials],
    ]);
    expect(now.every(isRevoked)).toBe(true);
  });

  test.for(["jsonl", "csv"])(
    "that is killed and resumed has the same bytes as one that was not: %s",
    async (format) => {
      const whole = file(`whole.${format}`);
      await killedExport(whole, "issuances", "--format", format);
      const state = readFileSync(`${whole}.partial.json`, "utf8");
      const part = readFileSync(`${whole}.partial`);
      expect(existsSync(whole)).toBe(false);

      // The other one begins where this one began, and is not killed.
      const other = file(`other.${format}`);
      const begun = JSON.parse(state) as { sequence: number; count: number; bytes: number };
      const head = format === "csv" ? `${ISSUANCE_COLUMNS.map(({ name }) => name).join(",")}\r\n` : "";
      writeFileSync(`${other}.partial.json`, JSON.stringify({ ...begun, sequence: 0, count: 0, bytes: head.length }));
      writeFileSync(`${other}.partial`, head);
      expect((await exportTo("issuances", "--format", format, "--resume", "--out", other)).status).toBe(0);

      // What was written behind the kept state is written again.
      writeFileSync(`${whole}.partial`, Buffer.concat([part, Buffer.from("half a row")]));
      const { status, err } = await exportTo("issuances", "--format", format, "--resume", "--out", whole);
      expect({ status, err }).toEqual({ status: 0, err: expect.stringContaining("rows: ") });
      expect(readFileSync(whole).equals(readFileSync(other))).toBe(true);
      expect(begun.bytes).toBeLessThan(statSync(whole).size);
      expect(statSync(whole).mode & 0o777).toBe(0o600);
      expect(existsSync(`${whole}.partial`) || existsSync(`${whole}.partial.json`)).toBe(false);
    },
  );

  test("of a run, of decisions and of events has these", async () => {
    const rows = rowsIn((await exportTo("issuances")).out);
    const run = String(rows.find((row) => row["run_id"] !== null)?.["run_id"]);
    expect(rowsIn((await exportTo("issuances", "--run", run)).out)).toHaveLength(PAST.credentials);
    const decisions = rowsIn((await exportTo("decisions", "--run", run)).out);
    expect(decisions).toMatchObject([
      { act: "open", effect: "allow", run_id: run },
      { act: "call", effect: "allow", run_id: run },
      { act: "call", effect: "allow", run_id: run },
    ]);
    expect(Object.keys(decisions[0] ?? {})).toEqual(DECISION_COLUMNS.map(({ name }) => name));
    const events = rowsIn((await exportTo("events")).out);
    expect(events.map((row) => row.sequence)).toEqual(events.map((_, index) => index + 1));
    expect(Object.keys(events[0] ?? {})).toEqual(EVENT_COLUMNS.map(({ name }) => name));
    expect(rowsIn((await exportTo("issuances", "--until", "2020-01-01")).out)).toEqual([]);
    const opened = rowsIn((await exportTo("events", "--run", run, "--type", "step.opened")).out);
    expect(opened).toMatchObject([{ type: "step.opened" }]);
    const denied = rowsIn((await exportTo("decisions", "--not-outcome", "allow")).out);
    expect(denied.every(({ effect }) => effect === "deny")).toBe(true);
  });
});

describe("an export is refused", () => {
  test.for([
    {
      when: "rows have no such field",
      args: ["decisions", "--type", "step.opened"],
      says: "terms.field: not type: decisions do not have it",
    },
    { when: "rows do not end", args: ["events", "--live-at", "1h"], says: "live_at: not for events" },
    {
      when: "a state is missing",
      args: ["issuances", "--resume", "--out", "/nowhere/x"],
      says: "no export of /nowhere/x",
    },
    {
      when: "signed records are wanted as a table",
      args: ["records", "--format", "csv"],
      says: "records are not exported as csv",
    },
    {
      when: "OCSF has no class for them",
      args: ["events", "--format", "ocsf"],
      says: "events are not exported as ocsf",
    },
    { when: "Parquet has no directory", args: ["events", "--format", "parquet"], says: "parquet takes an --out" },
    { when: "standard output is resumed", args: ["issuances", "--resume"], says: "--resume takes the --out" },
    {
      when: "filters come with what is resumed",
      args: ["issuances", "--resume", "--out", "x", "--run", "a"],
      says: "and takes none",
    },
  ])("when $when", async ({ args, says }) => {
    const { status, err } = await exportTo(...args);
    expect(status).not.toBe(0);
    expect(err).toContain(says);
  });

  test("when the file is there, when a part of it is, and when it is resumed as something else", async () => {
    const out = file("there");
    writeFileSync(out, "mine");
    expect(await exportTo("events", "--out", out)).toMatchObject({
      status: 2,
      err: expect.stringContaining("is there already"),
    });
    expect(readFileSync(out, "utf8")).toBe("mine");

    const broken = file("broken");
    await killedExport(broken, "events");
    expect(existsSync(broken)).toBe(false);
    expect((await exportTo("events", "--out", broken)).err).toContain("broke off: --resume goes on with it");
    expect((await exportTo("events", "--out", broken, "--resume", "--format", "csv")).err).toContain(
      "has the format jsonl",
    );
    expect((await exportTo("issuances", "--out", broken, "--resume")).err).toContain("has the rows events");
    const state = JSON.parse(readFileSync(`${broken}.partial.json`, "utf8")) as { ledger: object };
    writeFileSync(
      `${broken}.partial.json`,
      JSON.stringify({ ...state, ledger: { ...state.ledger, epoch: "epoch_another" } }),
    );
    expect((await exportTo("events", "--out", broken, "--resume")).err).toContain(
      "epoch: the ledger's epoch; it began another one",
    );
  });
});
