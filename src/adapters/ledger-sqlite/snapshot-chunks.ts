import { deflateRawSync, inflateRawSync } from "node:zlib";
import { BrokerError } from "../../domain/errors.ts";
import { append, type CompactRange, leafHash, rootOf } from "../../domain/merkle-tree.ts";
import type { Connection } from "./connection.ts";
import { PROJECTIONS } from "./projections.ts";

/*
 * A snapshot is all tables that follow from the log, as the events through one of them leave them: text that names a table and its columns,
 * then one row a line, deflated in chunks each of which can be read by itself.
 */

const CHUNK_BYTES_MAX = 65_535;
/** Of text, before it is deflated to about half. */
const TEXT_BYTES = 96 * 1024;
const INFLATED_BYTES_MAX = 16 * 1024 * 1024;

type Value = string | number | null | { readonly hex: string };
type ChunkText = {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Value[])[];
};

/** The chunks of all tables of a database, one by one. */
export function* chunksOf(db: Connection): Generator<Uint8Array> {
  for (const table of PROJECTIONS) {
    const columns = columnsOf(db, table);
    let lines: string[] = [];
    let bytes = 0;
    for (const row of db.iterate<Readonly<Record<string, unknown>>>(`SELECT * FROM ${table} ORDER BY 1, 2`)) {
      const line = JSON.stringify(columns.map((column) => textualOf(row[column])));
      lines.push(line);
      bytes += line.length;
      if (bytes < TEXT_BYTES) continue;
      yield* deflated(table, columns, lines);
      lines = [];
      bytes = 0;
    }
    if (lines.length > 0) yield* deflated(table, columns, lines);
  }
}

function* deflated(table: string, columns: readonly string[], lines: readonly string[]): Generator<Uint8Array> {
  const chunk = deflateRawSync(`${JSON.stringify({ table, columns })}\n${lines.join("\n")}`);
  if (chunk.length <= CHUNK_BYTES_MAX) return yield new Uint8Array(chunk);
  // A single row is at most an event, of which a chunk is the size.
  if (lines.length === 1) throw new RangeError(`a row of ${table} is larger than a chunk`);
  const half = Math.ceil(lines.length / 2);
  yield* deflated(table, columns, lines.slice(0, half));
  yield* deflated(table, columns, lines.slice(half));
}

function columnsOf(db: Connection, table: string): readonly string[] {
  return (db.pragma(`table_info(${table})`) as readonly { readonly name: string }[]).map(({ name }) => name);
}

function textualOf(value: unknown): Value {
  return value instanceof Uint8Array ? { hex: Buffer.from(value).toString("hex") } : (value as Value);
}

/** The root over chunks, which is what a snapshot's event names. */
export function withChunk(range: CompactRange, chunk: Uint8Array): CompactRange {
  return append(range, leafHash(chunk)).range;
}

export function chunksRoot(range: CompactRange): string {
  return Buffer.from(rootOf(range)).toString("hex");
}

/** Writes the rows of a chunk into the empty table that the chunk names. */
export function putChunk(db: Connection, content: Uint8Array): void {
  putRows(db, textOf(content));
}

function textOf(content: Uint8Array): ChunkText {
  try {
    const text = inflateRawSync(content, { maxOutputLength: INFLATED_BYTES_MAX }).toString("utf8");
    const [head = "", ...lines] = text.split("\n");
    return { ...JSON.parse(head), rows: lines.map((line) => JSON.parse(line)) } as ChunkText;
  } catch {
    throw snapshotDamaged();
  }
}

/** The rows of a chunk are looked at before its root is: only names of tables and columns that there are get into a statement. */
function putRows(db: Connection, { table, columns, rows }: ChunkText): void {
  const known: readonly string[] = PROJECTIONS;
  const there = new Set(known.includes(table) ? columnsOf(db, table) : []);
  if (there.size === 0 || !columns.every((column) => there.has(column))) throw snapshotDamaged();
  const sql = insertInto(table, columns);
  for (const row of rows) {
    const parameters = Object.fromEntries(columns.map((column, position) => [column, boundOf(row[position])]));
    db.run(sql, parameters);
  }
}

function boundOf(value: Value | undefined): string | number | null | Uint8Array {
  if (value === undefined) throw snapshotDamaged();
  return typeof value === "object" && value !== null ? Buffer.from(value.hex, "hex") : value;
}

/** Copies all tables that follow from the log into the empty ones of another database of the same schema. */
export function copyProjections(from: Connection, to: Connection): void {
  for (const table of PROJECTIONS) {
    const columns = columnsOf(from, table);
    const sql = insertInto(table, columns);
    for (const row of from.iterate<Readonly<Record<string, string | number | null | Uint8Array>>>(
      `SELECT * FROM ${table} ORDER BY 1, 2`,
    )) {
      to.run(sql, row);
    }
  }
}

function insertInto(table: string, columns: readonly string[]): string {
  return `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map((column) => `@${column}`).join(", ")})`;
}

export function snapshotDamaged(): BrokerError {
  return new BrokerError("LEDGER_UNAVAILABLE", "the ledger is damaged: its snapshot is not the one that was recorded");
}
