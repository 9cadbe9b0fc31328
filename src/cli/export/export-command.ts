import { Argument, type Command, Option } from "commander";
import type { Context } from "../context.ts";
import { usageFailure } from "../failure.ts";
import { acting } from "../session.ts";
import { EXPORT_FORMATS, type ExportFormat, ROWS_NAMES, type RowsName } from "./export-names.ts";

type ExportOptions = {
  readonly format: ExportFormat;
  readonly out: string;
  readonly resume?: boolean;
  readonly run?: string;
  readonly step?: string;
  readonly stepId?: string;
  readonly agent?: string;
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly until?: number;
};

const FILTERS = ["run", "step", "stepId", "agent", "since", "until"] as const;

/** @param addFilter - adds the flags by which history is filtered. */
export function addExport(history: Command, context: Context, addFilter: (command: Command) => Command): void {
  addFilter(
    history
      .command("export")
      .description(
        "all rows as they stand now, oldest first, to a file: the same rows whenever the same export is resumed",
      ),
  )
    .addArgument(new Argument("<rows>", "what is exported").choices(ROWS_NAMES))
    .addOption(
      new Option("--format <format>", "of the file; parquet: a directory of files")
        .choices(EXPORT_FORMATS)
        .default("jsonl"),
    )
    .option("--out <path>", "a new file or directory, or - for standard output", "-")
    .option("--resume", "go on with the export to this file that broke off")
    .action(
      acting(context, async (session, options: ExportOptions, rows: RowsName) => {
        const { format, out } = options;
        if (format === "parquet" && out === "-") throw usageFailure("parquet takes an --out, a new directory");
        // Loaded where it is run: other commands of history have no need of it.
        const { resumeExport, runExport } = await import("./run-export.ts");
        if (options.resume !== true) {
          await runExport(session, scopeOf(rows, options), out);
          return;
        }
        if (out === "-") throw usageFailure("--resume takes the --out of the export that broke off");
        if (FILTERS.some((name) => options[name] !== undefined)) {
          throw usageFailure("--resume goes on with the filters that the export began with, and takes none");
        }
        await resumeExport(session, { rows, format }, out);
      }),
    );
}

function scopeOf(rows: RowsName, options: ExportOptions) {
  const { format, run = "", step = "", stepId = "", agent = "", since, until } = options;
  const micros = (ms: number | undefined) => (ms === undefined ? null : ms * 1_000);
  return { rows, format, run, step, stepId, agent, since: micros(since), until: micros(until) };
}
