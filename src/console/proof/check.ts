import { checkedView, checkFile } from "../../cli/ledger/check-file.ts";
import type { DataRecord } from "../../cli/output/view.ts";
import { recordOf } from "../../cli/output/view.ts";
import { parseNoteKey } from "../../domain/signed-note.ts";
import { BrowserBuffer } from "./browser-buffer.ts";

Object.assign(globalThis, { Buffer: BrowserBuffer });

/**
 * Checks what a ledger gave out, in this browser: what `stint ledger check` does, by the same code. Nobody is asked.
 *
 * @param witnesses - keys in lines; all of them have to have signed too.
 * @returns what it proves.
 * @throws Error that says why it proves nothing
 */
export function check(text: string, key: string, witnesses: string): DataRecord {
  const keyOf = (line: string) => {
    const parsed = parseNoteKey(line.trim());
    if (parsed === undefined) throw new Error("expected a verifier key, as `stint ledger key` prints it");
    return parsed;
  };
  const lines = witnesses.split("\n").filter((line) => line.trim() !== "");
  return recordOf(checkedView, checkFile(text, { log: keyOf(key), witnesses: lines.map(keyOf) }, undefined));
}
