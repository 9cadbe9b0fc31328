import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stint, stintRows } from "../demo/stint-cli.ts";

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

/** A broker's ledger, as an operator and an auditor see it. */
export type AskedLedger = {
  /**
   * Asks, and proves what the newest row of the answer says.
   *
   * @param receipt - where the proof is to be kept. Absent: nowhere.
   * @returns what was not proved, where there is no row
   * @throws what `stint` fails with
   */
  ask(question: Question, receipt?: string): Promise<LedgerRecord>;
  /** Checks a receipt by the key alone, without a broker. @throws what `stint` fails with */
  check(receipt: string): Promise<Checked>;
};

type Row = Readonly<Record<string, unknown>>;
type Checked = { readonly sequence: string | number; readonly tree_size: string | number; readonly event: Row };

/** Of an attack that left no trace. */
export const NOTHING: LedgerRecord = {
  query: "",
  rows: 0,
  members: {},
  prove: "",
  sequence: 0,
  type: "nothing",
  treeSize: 0,
  proved: false,
};

export function ledgerOf(operatorSocket: string): AskedLedger {
  /** What verifies its proofs: somebody who is to check them gets it once. */
  let key: Promise<string> | undefined;

  async function check(receipt: string): Promise<Checked> {
    key ??= stint(operatorSocket, "ledger", "key");
    // The socket is no broker's.
    const checking = ["--output", "json", "ledger", "check", receipt, "--key", (await key).trim()];
    return JSON.parse(await stint("/nowhere", ...checking)) as Checked;
  }

  async function prove(asked: Question, file: string): Promise<LedgerRecord> {
    const {
      query,
      prove: { by, member, revocation = false },
      ...question
    } = asked;
    const rows = await stintRows<Row>(operatorSocket, ...query);
    const [row] = rows;
    if (row === undefined) return { ...NOTHING, query: commandText(query) };
    const proving = ["ledger", "prove", by, String(row[member]), ...(revocation ? ["--revocation"] : [])];
    await stint(operatorSocket, ...proving, "--out", file);
    const { event, ...checked } = await check(file);
    return {
      query: commandText(query),
      rows: rows.length,
      members: Object.fromEntries(question.members.map((name) => [name, memberOf(row, name)])),
      prove: commandText(proving),
      sequence: Number(checked.sequence),
      type: String(event["type"]),
      treeSize: Number(checked.tree_size),
      proved: event["type"] === question.type,
    };
  }

  return {
    check,
    async ask(question, receipt) {
      if (receipt !== undefined) return prove(question, receipt);
      const file = join(tmpdir(), `stint-attacks-${randomUUID()}.tlog-proof`);
      try {
        return await prove(question, file);
      } finally {
        rmSync(file, { force: true });
      }
    },
  };
}

/** `event.tool.sha256`: what lies there. */
function memberOf(row: Row, path: string): unknown {
  return path.split(".").reduce<unknown>((value, name) => (value as Row | undefined)?.[name], row);
}

function commandText(args: readonly string[]): string {
  return ["stint", ...args].join(" ");
}
