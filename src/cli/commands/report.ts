import { type Command, InvalidArgumentError, Option } from "commander";
import type { Context } from "../context.ts";
import { instantFlag } from "../flags.ts";
import { FRAMEWORK_NAMES, type FrameworkName, REPORT_FORMATS, type ReportFormat } from "../report/framework-names.ts";
import { acting } from "../session.ts";

type ReportOptions = {
  readonly framework: FrameworkName;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly until?: number;
  readonly format: ReportFormat;
  readonly out: string;
};

const MS_PER_DAY = 86_400_000;
const DAYS_DEFAULT = 30;

export function addReport(report: Command, context: Context): void {
  const instant = (text: string) => pastFlag(text, context.now());
  report
    .addOption(
      new Option("--framework <name>", "whose controls are reported on").choices(FRAMEWORK_NAMES).makeOptionMandatory(),
    )
    .addOption(
      new Option("--since <instant>", "what was recorded from then on: 2026-01-31T12:00:00Z, or a time ago such as 30d")
        .argParser(instant)
        .default(context.now() - DAYS_DEFAULT * MS_PER_DAY, `${DAYS_DEFAULT}d`),
    )
    .option("--until <instant>", "and before then; otherwise the last whole second but one", instant)
    .addOption(new Option("--format <format>", "of the report").choices(REPORT_FORMATS).default("html"))
    .option("--out <file>", "a new file, or - for standard output", "-")
    .action(
      acting(context, async (session, options: ReportOptions) => {
        // Loaded where it is run: help of the command has no need of it.
        const { runReport } = await import("../report/run-report.ts");
        await runReport(session, options);
      }),
    );
}

function pastFlag(text: string, now: number): number {
  const ms = instantFlag(text, now);
  if (ms > now) throw new InvalidArgumentError("Expected an instant that has passed.");
  return ms;
}
