import { createPublicKey } from "node:crypto";
import type { UnixMicros } from "../../domain/time.ts";
import {
  type AuditRecord,
  type Decision,
  type Event,
  type ExportedIssuance,
  ExportedRows,
  type ExportResponse,
  History,
} from "../../gen/stint/v1/history_pb.js";
import { historyFilterOfJson } from "../../wire/history-message.ts";
import { microsOfTimestamp, timestampOfMicros } from "../../wire/timestamps.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import { createProgressBar } from "../output/progress-bar.ts";
import type { Session } from "../session.ts";
import { DECISION_COLUMNS, EVENT_COLUMNS, type ExportColumn, ISSUANCE_COLUMNS } from "./export-columns.ts";
import type { ExportFormat } from "./export-names.ts";
import { type ExportSink, NOTHING_SETTLED, type Settled } from "./export-sink.ts";
import {
  type ExportedLedger,
  type ExportScope,
  type ExportState,
  forgetState,
  keepState,
  readState,
} from "./export-state.ts";
import { csvLines, jsonLines, type LineFormat } from "./line-format.ts";
import { fileSink, streamSink } from "./line-sinks.ts";
import { DECISION_EVENTS, ISSUANCE_EVENTS } from "./ocsf-events.ts";

/** Rows from one state that is kept to the next: what a crash costs to write again. */
const ROWS_PER_STATE = 5_000;
const MS_PER_SHOW = 100;

/** Rows of one kind: how they are asked for, found in an answer, and written. */
type Exported<Row> = {
  readonly rows: ExportedRows;
  readonly rowsOf: (page: ExportResponse) => readonly Row[];
  /** Absent: each row is one text. */
  readonly columns?: readonly ExportColumn<Row>[];
  /** The formats in which each row is a line. */
  readonly lines: { readonly [format in ExportFormat]?: LineFormat<Row> };
};

function tabular<Row>(columns: readonly ExportColumn<Row>[]) {
  return { columns, lines: { jsonl: jsonLines(columns), csv: csvLines(columns) } };
}

const OF_ISSUANCES = tabular(ISSUANCE_COLUMNS);
const OF_DECISIONS = tabular(DECISION_COLUMNS);
const ISSUANCES: Exported<ExportedIssuance> = {
  rows: ExportedRows.ISSUANCES,
  rowsOf: (page) => page.issuances,
  columns: OF_ISSUANCES.columns,
  lines: { ...OF_ISSUANCES.lines, ocsf: ISSUANCE_EVENTS },
};
const DECISIONS: Exported<Decision> = {
  rows: ExportedRows.DECISIONS,
  rowsOf: (page) => page.decisions,
  columns: OF_DECISIONS.columns,
  lines: { ...OF_DECISIONS.lines, ocsf: DECISION_EVENTS },
};
const EVENTS: Exported<Event> = {
  rows: ExportedRows.EVENTS,
  rowsOf: (page) => page.events,
  ...tabular(EVENT_COLUMNS),
};
const RECORDS: Exported<AuditRecord> = {
  rows: ExportedRows.RECORDS,
  rowsOf: (page) => page.records,
  lines: { "in-toto": { head: "", line: ({ envelope }) => `${envelope}\n` } },
};

/**
 * Exports to `out`, a path or `-` for standard output, with a bar on a terminal.
 *
 * @throws Failure, CallError
 */
export async function runExport(session: Session, scope: ExportScope, out: string): Promise<void> {
  await exportRows(session, scope, out, undefined);
}

/**
 * Goes on with an export that broke off; what comes of it is what one run would have written.
 *
 * @throws Failure when there is none, or it was one of other rows or another format; CallError
 */
export async function resumeExport(
  session: Session,
  named: Pick<ExportScope, "rows" | "format">,
  out: string,
): Promise<void> {
  const state = await readState(out);
  for (const member of ["rows", "format"] as const) {
    if (named[member] !== state.scope[member]) {
      throw new Failure(
        `--resume: the export of ${out} that broke off has the ${member} ${state.scope[member]}`,
        EXIT.usage,
      );
    }
  }
  await exportRows(session, state.scope, out, state);
}

function exportRows(session: Session, scope: ExportScope, out: string, state: ExportState | undefined): Promise<void> {
  switch (scope.rows) {
    case "issuances":
      return exportOf(session, ISSUANCES, scope, out, state);
    case "decisions":
      return exportOf(session, DECISIONS, scope, out, state);
    case "events":
      return exportOf(session, EVENTS, scope, out, state);
    case "records":
      return exportOf(session, RECORDS, scope, out, state);
  }
}

async function exportOf<Row>(
  session: Session,
  exported: Exported<Row>,
  scope: ExportScope,
  out: string,
  state: ExportState | undefined,
): Promise<void> {
  const pages = session.operator(History).export(requestOf(exported.rows, scope, state));
  const { value: first } = await pages.next();
  const ledger = ledgerOf(first);
  if (scope.rows === "records") session.note(`records are signed by this key:\n${publicKeyPem(first)}`);
  const sink = await sinkOf(session, exported, scope, out, state);
  try {
    await writeAll(session, { exported, scope, out, ledger, sink, pages }, state);
  } finally {
    await pages.return?.();
  }
}

/** Asks for the rows that are not written yet, as the ledger was when the export began. */
function requestOf(rows: ExportedRows, scope: ExportScope, state: ExportState | undefined) {
  const instant = (micros: number) => timestampOfMicros(micros as UnixMicros);
  const { terms, descendantsOf, since, until, liveAt } = historyFilterOfJson(scope.filter);
  return {
    rows,
    terms,
    descendantsOf,
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(liveAt === undefined ? {} : { liveAt }),
    ...(state === undefined
      ? {}
      : {
          afterSequence: BigInt(state.sequence),
          throughSequence: BigInt(state.ledger.throughSequence),
          asOf: instant(state.ledger.asOf),
          epoch: state.ledger.epoch,
        }),
  };
}

function ledgerOf(first: ExportResponse | undefined): ExportedLedger {
  const begun = first?.begun;
  if (begun?.asOf === undefined) throw new Failure("the broker does not say what it exports", EXIT.refused);
  return {
    epoch: begun.epoch,
    throughSequence: Number(begun.throughSequence),
    asOf: microsOfTimestamp(begun.asOf, "as_of"),
  };
}

function publicKeyPem(first: ExportResponse | undefined): string {
  const key = { key: Buffer.from(first?.begun?.recordKey ?? []), format: "der", type: "spki" } as const;
  return String(createPublicKey(key).export({ format: "pem", type: "spki" })).trimEnd();
}

async function sinkOf<Row>(
  { context }: Session,
  { columns, lines }: Pick<Exported<Row>, "columns" | "lines">,
  { format, rows }: ExportScope,
  out: string,
  resumed: Settled | undefined,
): Promise<ExportSink<Row>> {
  if (format === "parquet" && columns !== undefined) {
    // Loaded where it is asked for: it takes a library that no other format needs.
    const { parquetSink } = await import("./parquet-sink.ts");
    return parquetSink(out, columns, resumed);
  }
  const inLines = lines[format];
  if (inLines === undefined) throw usageFailure(`${rows} are not exported as ${format}`);
  return out === "-" ? streamSink(context.out, inLines) : fileSink(out, inLines, resumed);
}

async function writeAll<Row>(
  session: Session,
  work: {
    readonly exported: Exported<Row>;
    readonly scope: ExportScope;
    readonly out: string;
    readonly ledger: ExportedLedger;
    readonly sink: ExportSink<Row>;
    readonly pages: AsyncIterable<ExportResponse>;
  },
  state: ExportState | undefined,
): Promise<void> {
  const { exported, scope, out, ledger, sink, pages } = work;
  let { sequence, count } = state ?? NOTHING_SETTLED;
  let unkept = 0;
  const show = progressOf(session, ledger.throughSequence, count);

  async function keep(): Promise<void> {
    unkept = 0;
    const settled = await sink.settle();
    if (settled !== undefined) await keepState(out, { scope, ledger, ...settled });
  }

  try {
    if (state === undefined) await keep();
    for await (const page of pages) {
      const rows = exported.rowsOf(page);
      sequence = Number(page.sequence);
      await sink.write(rows, sequence);
      count += rows.length;
      unkept += rows.length;
      if (unkept >= ROWS_PER_STATE) await keep();
      show.rows(sequence, count);
    }
    if (sequence < ledger.throughSequence) throw new Failure("the broker ended before all was exported", EXIT.refused);
    await sink.finish();
    if (out !== "-") await forgetState(out);
  } catch (thrown) {
    // What can't be kept leaves the state before, which is as good to go on with.
    await keep().catch(() => undefined);
    await sink.close();
    if (out !== "-") session.note(`what was written is kept: --resume goes on with it`);
    throw thrown;
  } finally {
    show.clear();
  }
  session.note(`rows: ${count}, of the ledger through sequence ${ledger.throughSequence}`);
}

function progressOf({ context }: Session, through: number, before: number) {
  const bar = createProgressBar(context.err);
  const began = context.now();
  let shownAt = 0;
  return {
    rows(sequence: number, count: number) {
      const now = context.now();
      if (now - shownAt < MS_PER_SHOW) return;
      shownAt = now;
      const rate = Math.round((count - before) / Math.max((now - began) / 1_000, 0.001));
      bar.show(sequence / through, `${count} rows, ${rate}/s`);
    },
    clear: bar.clear,
  };
}
