import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import type { historyFilterJson } from "../../wire/history-message.ts";
import { usageFailure } from "../failure.ts";
import { writeWhole } from "../write-whole.ts";
import type { ExportFormat, RowsName } from "./export-names.ts";
import type { Settled } from "./export-sink.ts";

/** What is exported: fixed with the first row, so that an export that goes on gives what one run would have given. */
export type ExportScope = {
  readonly rows: RowsName;
  readonly format: ExportFormat;
  /** The contract's JSON. */
  readonly filter: ReturnType<typeof historyFilterJson>;
};

/** The ledger as the export sees it: what came later is not in it. */
export type ExportedLedger = {
  readonly epoch: string;
  readonly throughSequence: number;
  /** Microseconds since 1970. */
  readonly asOf: number;
};

/** How far an export has come. */
export type ExportState = Settled & { readonly scope: ExportScope; readonly ledger: ExportedLedger };

/** Of the file in which a state is kept. */
const VERSION = 2;

/** Under which name an export is written until it is whole, so that nobody takes a part for all of it. */
export function partialPath(out: string): string {
  return `${out}.partial`;
}

function statePath(out: string): string {
  return `${out}.partial.json`;
}

export async function keepState(out: string, state: ExportState): Promise<void> {
  await writeWhole(statePath(out), `${JSON.stringify({ version: VERSION, ...state }, undefined, 2)}\n`);
}

export async function forgetState(out: string): Promise<void> {
  await rm(statePath(out), { force: true });
}

/** @throws Failure when there is nothing to go on with */
export async function readState(out: string): Promise<ExportState> {
  let kept: ExportState & { readonly version: number };
  try {
    kept = JSON.parse(await readFile(statePath(out), "utf8")) as typeof kept;
  } catch {
    throw usageFailure(`--resume: there is no export of ${out} that broke off`);
  }
  const { version, ...state } = kept;
  if (version !== VERSION) throw usageFailure(`--resume: ${statePath(out)} is another version's`);
  return state;
}

/** @throws Failure */
export function checkFree(out: string): void {
  if (existsSync(out)) throw usageFailure(`${out} is there already, and is not written over`);
}

/** @throws Failure */
export function checkNotBegun(out: string): void {
  const partial = partialPath(out);
  if (!existsSync(partial)) return;
  throw usageFailure(`an export of ${out} broke off: --resume goes on with it, or remove ${partial}`);
}
