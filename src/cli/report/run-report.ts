import { once } from "node:events";
import { existsSync } from "node:fs";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import type { Session } from "../session.ts";
import { writeWhole } from "../write-whole.ts";
import type { FrameworkName, ReportFormat } from "./framework-names.ts";
import { makeReport } from "./make-report.ts";
import { readFramework } from "./read-framework.ts";
import type { Report } from "./report.ts";
import { reportDigest, reportJson } from "./report-json.ts";

type Wanted = {
  readonly framework: FrameworkName;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly until?: number;
  readonly format: ReportFormat;
  readonly out: string;
};

const MS_PER_SECOND = 1_000;
/** What was acted on before an instant may be committed a little after it: by then it is. */
const MS_UNTIL_COMMITTED = 1_000;

/**
 * Makes a report and writes it: all of it, or nothing.
 *
 * @throws Failure, CallError
 */
export async function runReport(session: Session, { framework, format, out, ...wanted }: Wanted): Promise<void> {
  const { since } = wanted;
  // A whole second that is over for long enough: nothing is recorded of the period any more while its figures are counted.
  const over = session.context.now() - MS_UNTIL_COMMITTED;
  const until = wanted.until ?? Math.floor(over / MS_PER_SECOND) * MS_PER_SECOND;
  if (until <= since) throw usageFailure("the period ends before it begins: --until has to be later than --since");
  if (out !== "-" && existsSync(out)) throw usageFailure(thereAlready(out));
  if (format === "pdf" && out === "-" && isTerminal(session)) throw usageFailure("pdf takes an --out, a new file");
  const report = await makeReport(session, await readFramework(framework), { since, until });
  const written = await WRITERS[format](report);
  if (out === "-") await write(session, written);
  else await keep(out, written);
  session.note(`SHA-256 of what the report says: ${reportDigest(report)}`);
}

const WRITERS: Readonly<Record<ReportFormat, (report: Report) => Promise<string | Uint8Array>>> = {
  json: async (report) => `${reportJson(report)}\n`,
  html: async (report) => (await import("./html-report.ts")).htmlReport(report),
  // Loaded where it is asked for: it takes a library that nothing else needs.
  pdf: async (report) => (await import("./pdf-report.ts")).pdfReport(report),
};

/** @throws Failure */
async function keep(out: string, written: string | Uint8Array): Promise<void> {
  try {
    await writeWhole(out, written, { mode: 0o600, replaces: false });
  } catch (thrown) {
    const { code = "unknown" } = thrown as NodeJS.ErrnoException;
    if (code === "EEXIST") throw usageFailure(thereAlready(out));
    throw new Failure(`${out}: can't be written (${code})`, EXIT.refused, { cause: thrown });
  }
}

function thereAlready(out: string): string {
  return `${out} is there already, and is not written over`;
}

function isTerminal({ context: { out } }: Session): boolean {
  return (out as { readonly isTTY?: boolean }).isTTY === true;
}

async function write({ context: { out } }: Session, written: string | Uint8Array): Promise<void> {
  if (!out.write(written)) await once(out, "drain");
}
