import { readFileSync } from "node:fs";

/** One line of a client's journal: a credential or an answer that it received, or how a call of its failed. */
export type JournalLine =
  | { readonly opened: string }
  | { readonly closed: string }
  | { readonly sha256: string; readonly jti?: string; readonly serialNumber?: string }
  /** An item of a batch, by its reason. */
  | { readonly refused: string }
  /** A call, by its reason or, without one, its gRPC code. */
  | { readonly failed: string };

export type Journal = {
  readonly opened: readonly string[];
  readonly closed: readonly string[];
  readonly credentials: readonly Extract<JournalLine, { sha256: string }>[];
  readonly refusals: readonly string[];
};

/** What clients have received so far; a line that is being written is not there yet. */
export function readJournals(paths: readonly string[]): Journal {
  const lines = paths.flatMap((path) =>
    readFileSync(path, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as JournalLine),
  );
  return {
    opened: lines.flatMap((line) => ("opened" in line ? [line.opened] : [])),
    closed: lines.flatMap((line) => ("closed" in line ? [line.closed] : [])),
    credentials: lines.flatMap((line) => ("sha256" in line ? [line] : [])),
    refusals: lines.flatMap((line) => ("failed" in line ? [line.failed] : "refused" in line ? [line.refused] : [])),
  };
}
