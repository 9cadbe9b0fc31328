import type { Command } from "commander";
import { LIMITS } from "../domain/limits.ts";
import { everyPage } from "../sdk/operator/every-page.ts";
import { countFlag } from "./flags.ts";
import type { Session } from "./session.ts";

export type PagingOptions = { readonly limit: number; readonly pageToken?: string };

export function addPaging(command: Command): Command {
  return command
    .option("--limit <count>", "rows at most", countFlag, LIMITS.pageSizeDefault)
    .option("--page-token <token>", "where to go on, as the page before said");
}

/**
 * Rows of as many pages as the limit takes; says on standard error where to go on when there are more.
 *
 * @param list - asks for one page.
 */
export async function rowsOf<Row, Page extends { readonly nextPageToken: string }>(
  session: Session,
  options: PagingOptions,
  list: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<Page>,
  rowsOfPage: (page: Page) => readonly Row[],
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  if (options.limit === 0) return rows;
  const next = (pageToken: string) =>
    list({ pageSize: Math.min(options.limit - rows.length, LIMITS.pageSizeMax), pageToken });
  for await (const page of everyPage(next, options.pageToken)) {
    rows.push(...rowsOfPage(page));
    if (rows.length < options.limit) continue;
    if (page.nextPageToken !== "") session.note(`more with --page-token ${page.nextPageToken}`);
    break;
  }
  return rows;
}
