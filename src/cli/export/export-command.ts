import { Argument, type Command, Option } from "commander";
import type { HistoryList } from "../../domain/history-filter.ts";
import { historyFilterJson } from "../../wire/history-message.ts";
import type { Context } from "../context.ts";
import { usageFailure } from "../failure.ts";
import { addRowFlags, type HistoryFlags, historyFilterOf } from "../history-flags.ts";
import { acting } from "../session.ts";
import { EXPORT_FORMATS, type ExportFormat, ROWS_NAMES, type RowsName } from "./export-names.ts";

type ExportOptions = HistoryFlags & { readonly format: ExportFormat; readonly out: string; readonly resume?: boolean };

/** Of which lists the rows are: records are of decisions. */
const LISTS = ["issuances", "decisions", "events"] as const satisfies readonly HistoryList[];

export function addExport(history: Command, context: Context): void {
  addRowFlags(
    history
      .command("export")
      .description(
        "all rows as they stand now, oldest first, to a file: the same rows whenever the same export is resumed",
      ),
    LISTS,
    context,
  )
    .addArgument(new Argument("<rows>", "what is exported").choices(ROWS_NAMES))
    .addOption(
      new Option(
        "--format <format>",
        "of the file; parquet: a directory of files; ocsf: lines of OCSF events, of issuances and decisions; in-toto: signed records",
      )
        .choices(EXPORT_FORMATS)
        .default("jsonl"),
    )
    .option("--out <path>", "a new file or directory, or - for standard output", "-")
    .option("--resume", "go on with the export to this file that broke off")
    .action(
      acting(context, async (session, options: ExportOptions, rows: RowsName) => {
        const { format, out } = options;
        const filter = historyFilterJson(historyFilterOf(LISTS, options));
        if (format === "parquet" && out === "-") throw usageFailure("parquet takes an --out, a new directory");
        // Loaded where it is run: other commands of history have no need of it.
        const { resumeExport, runExport } = await import("./run-export.ts");
        if (options.resume !== true) {
          await runExport(session, { rows, format, filter }, out);
          return;
        }
        if (out === "-") throw usageFailure("--resume takes the --out of the export that broke off");
        if (Object.keys(filter).length > 0) {
          throw usageFailure("--resume goes on with the filters that the export began with, and takes none");
        }
        await resumeExport(session, { rows, format }, out);
      }),
    );
}
