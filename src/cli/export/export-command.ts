import { Argument, type Command, Option } from "commander";
import type { Context } from "../context.ts";
import { usageFailure } from "../failure.ts";
import { instantFlag } from "../flags.ts";
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

export function addExport(history: Command, context: Context): void {
  addConditions(
    history
      .command("export")
      .description(
        "all rows as they stand now, oldest first, to a file: the same rows whenever the same export is resumed",
      ),
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

function addConditions(command: Command, context: Context): Command {
  const instant = (text: string) => instantFlag(text, context.now());
  return (
    command
      .option("--run <run>", "of this run")
      .option("--step <step>", "of this step, all attempts")
      // A variable of its own: STINT_STEP_ID is set for every command that runs as a step, and would hide all others.
      .addOption(new Option("--step-id <id>", "of this step").env("STINT_HISTORY_STEP_ID"))
      .option("--agent <agent>", "of this agent")
      .option("--since <instant>", "not before: 2026-01-31T12:00:00Z, or a time ago such as 15m", instant)
      .option("--until <instant>", "before", instant)
  );
}

function scopeOf(rows: RowsName, options: ExportOptions) {
  const { format, run = "", step = "", stepId = "", agent = "", since, until } = options;
  const micros = (ms: number | undefined) => (ms === undefined ? null : ms * 1_000);
  return { rows, format, run, step, stepId, agent, since: micros(since), until: micros(until) };
}
