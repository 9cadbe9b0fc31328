import type { ExportFilter, ExportWindow } from "../ports/export-reads.ts";

/** Some milliseconds of work for the event loop, between which everything else has its turn. */
const PAGE_ROWS = 100;
/** Events that one read looks at, at most: rows that a filter leaves out cost a read time too. */
const WINDOW_EVENTS = 10_000;

/** All rows up to `sequence`, which were not in the page before. */
export type ExportedPage<Row> = { readonly rows: readonly Row[]; readonly sequence: number };

/**
 * The rows with sequences in (after, through], in pages that each take a short read. The last page ends at `through`.
 *
 * @param read - gives the oldest rows of a window, `limit` at most.
 */
export async function* exportedPages<Row extends { readonly sequence: number }>(
  filter: ExportFilter,
  { after, through }: { readonly after: number; readonly through: number },
  read: (window: ExportWindow) => Promise<readonly Row[]>,
): AsyncGenerator<ExportedPage<Row>, void, void> {
  for (let sequence = after; sequence < through; ) {
    const end = Math.min(sequence + WINDOW_EVENTS, through);
    const rows = await read({ ...filter, after: sequence, end, limit: PAGE_ROWS });
    // A page that is not full has all that the window has.
    sequence = rows.length < PAGE_ROWS ? end : (rows.at(-1)?.sequence ?? end);
    yield { rows, sequence };
  }
}
