import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stint } from "../demo/stint-cli.ts";

/** What an operator asks the ledger afterwards, and which event is then proved to be in it. */
type Question = {
  /** Arguments of `stint` that find it: the newest row is meant. */
  readonly query: readonly string[];
  /** Members of the row that are told, below others by dots. */
  readonly members: readonly string[];
  /** The flag of `stint ledger prove`, and the member of the row that it takes. */
  readonly prove: {
    readonly by: "--decision" | "--jti" | "--sequence";
    readonly member: string;
    /** Not its issuance, but what took it back. */
    readonly revocation?: boolean;
  };
  /** What kind of event that has to be. */
  readonly type: string;
};

/** Of a decision that said no. */
export function denialBy(query: readonly string[], members: readonly string[]): Question {
  return {
    query: ["history", "decisions", "--effect", "deny", ...query],
    members,
    prove: { by: "--decision", member: "decision_id" },
    type: "decision.made",
  };
}

/** What the ledger has of an attack. */
export type LedgerRecord = {
  /** As it was asked. */
  readonly query: string;
  readonly rows: number;
  /** Of the newest row. */
  readonly members: Readonly<Record<string, unknown>>;
  readonly prove: string;
  readonly sequence: number;
  readonly type: string;
  /** Leaves of the tree whose signed head the proof leads to. */
  readonly treeSize: number;
  /** Whether it was checked, without the broker, by the ledger's key alone. */
  readonly proved: boolean;
};

type Row = Readonly<Record<string, unknown>>;
type Checked = { readonly sequence: string | number; readonly tree_size: string | number; readonly event: Row };

/**
 * Asks, and proves what the newest row of the answer says.
 *
 * @param receipt - where the proof is to be kept. Absent: nowhere.
 * @throws Error where the answer has no row; what `stint` fails with
 */
export async function askLedger(operatorSocket: string, question: Question, receipt?: string): Promise<LedgerRecord> {
  const { query, prove, members: shown, type } = question;
  const file = receipt ?? join(tmpdir(), `stint-attacks-${randomUUID()}.tlog-proof`);
  try {
    const [rows, key] = await Promise.all([
      stint(operatorSocket, "--output", "json", ...query).then((text) => JSON.parse(text) as readonly Row[]),
      ledgerKey(operatorSocket),
    ]);
    const [row] = rows;
    if (row === undefined) throw new Error(`nothing was found by ${commandText(query)}`);
    const { by, member, revocation = false } = prove;
    const proving = ["ledger", "prove", by, String(row[member]), ...(revocation ? ["--revocation"] : [])];
    await stint(operatorSocket, ...proving, "--out", file);
    const { event, ...checked } = await checkReceipt(file, key);
    return {
      query: commandText(query),
      rows: rows.length,
      members: Object.fromEntries(shown.map((name) => [name, memberOf(row, name)])),
      prove: commandText(proving),
      sequence: Number(checked.sequence),
      type: String(event["type"]),
      treeSize: Number(checked.tree_size),
      proved: event["type"] === type,
    };
  } finally {
    if (receipt === undefined) rmSync(file, { force: true });
  }
}

/** What verifies the ledger's proofs. */
export async function ledgerKey(operatorSocket: string): Promise<string> {
  return (await stint(operatorSocket, "ledger", "key")).trim();
}

/** Checks a receipt by the key alone: the socket is no broker's. @throws what `stint` fails with */
export async function checkReceipt(file: string, key: string): Promise<Checked> {
  return JSON.parse(await stint("/nowhere", "--output", "json", "ledger", "check", file, "--key", key)) as Checked;
}

/** `event.tool.sha256`: what lies there. */
function memberOf(row: Row, path: string): unknown {
  return path.split(".").reduce<unknown>((value, name) => (value as Row | undefined)?.[name], row);
}

function commandText(args: readonly string[]): string {
  return ["stint", ...args].join(" ");
}
