import { ledgerOfOrigin } from "../../domain/checkpoint.ts";
import { checkCheckpoint, checkReceipt, type LedgerKeys } from "../../verify/ledger-proofs.ts";
import { EXIT, Failure } from "../failure.ts";
import { readVersion } from "../output/version.ts";
import type { Json, View } from "../output/view.ts";
import { EXAMPLES, type Example, isExampleName } from "./figures.ts";
import { textOfMarkup } from "./html.ts";
import { DATA_BEGIN, DATA_END, HTML_HEAD, htmlReport } from "./html-report.ts";
import { provenEvent } from "./proven-event.ts";
import { REPORT_SCHEMA, type Report, type ReportedExample } from "./report.ts";
import { reportDigest } from "./report-json.ts";
import { madeBy } from "./report-words.ts";

/** What of a report is proved, once it was checked. */
export type CheckedReport = {
  readonly report: Report;
  readonly treeSize: number;
  readonly rootHash: Uint8Array;
  readonly proved: readonly { readonly example: string; readonly sequence: number }[];
  /** Of HTML: whether the page shows its data; `undefined` where another version made it, which may show them otherwise. */
  readonly page?: "is its data" | undefined;
};

type Proven = Extract<ReportedExample, { readonly proof: string }>;

/**
 * Checks a report without asking anybody: its checkpoint, and each of its examples.
 *
 * @param text - a report in JSON or HTML.
 * @throws Failure naming what proves nothing
 */
export function checkReport(text: string, keys: LedgerKeys): CheckedReport {
  const report = reportIn(text);
  const page = text.startsWith(HTML_HEAD) ? { page: checkPage(text, report) } : {};
  const signed = checkCheckpoint(report.ledger.checkpoint, keys);
  if (signed.kind === "refused") throw refused("the checkpoint", signed.why);
  const of = ledgerOfOrigin(signed.checkpoint.origin);
  if (of?.trustDomain !== report.trust_domain || of.epoch !== report.ledger.epoch) {
    throw refused("the head", `it names another ledger than the checkpoint, which is of ${signed.checkpoint.origin}`);
  }
  const proven = report.examples.filter((example): example is Proven => "proof" in example);
  for (const example of proven) checkExample(example, report, keys);
  return {
    report,
    treeSize: signed.checkpoint.size,
    rootHash: signed.checkpoint.rootHash,
    proved: proven.map(({ id, sequence }) => ({ example: id, sequence })),
    ...page,
  };
}

const MADE_BY = /^stint \d+\.\d+\.\d+/;

/** @throws Failure where the text is no report */
function reportIn(text: string): Report {
  const json = text.startsWith(HTML_HEAD) ? dataIn(text) : text;
  const report = parsed(json);
  if (isReport(report)) return report;
  throw new Failure(`it is no report of this version, ${REPORT_SCHEMA}`, EXIT.refused);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** Whether it has all that is looked at here; what else a page shows of it is compared as a whole. */
function isReport(json: unknown): json is Report {
  if (!isObject(json) || json["schema"] !== REPORT_SCHEMA) return false;
  const { ledger, period, framework, examples, figures } = json;
  if (!isObject(ledger) || !isObject(period) || !isObject(framework)) return false;
  const texts = [ledger["checkpoint"], ledger["epoch"], period["since"], period["until"], framework["id"]];
  // What does not say who made it would pass for another version's, whose page nobody compares.
  if (!isText(json["made_by"]) || !MADE_BY.test(json["made_by"])) return false;
  return [...texts, json["trust_domain"]].every(isText) && Array.isArray(figures) && isListOfExamples(examples);
}

function isListOfExamples(json: unknown): boolean {
  if (!Array.isArray(json)) return false;
  return json.every((one) => isObject(one) && isText(one["id"]) && isText(one["proof"] ?? ""));
}

function isObject(json: unknown): json is { readonly [member: string]: unknown } {
  return typeof json === "object" && json !== null;
}

function dataIn(page: string): string {
  const begin = page.lastIndexOf(DATA_BEGIN);
  const end = page.indexOf(DATA_END, begin);
  return begin < 0 || end < 0 ? "" : textOfMarkup(page.slice(begin + DATA_BEGIN.length, end));
}

/** @throws Failure where this version would show the data otherwise */
function checkPage(page: string, report: Report): CheckedReport["page"] {
  if (report.made_by !== madeBy(readVersion())) return undefined;
  if (renderedFrom(report) !== page) throw refused("the page", "it does not show what its own data say");
  return "is its data";
}

function renderedFrom(report: Report): string | undefined {
  try {
    return htmlReport(report);
  } catch {
    return undefined;
  }
}

/** @throws Failure naming the example */
function checkExample(example: Proven, { period }: Report, keys: LedgerKeys): void {
  const name = `the example ${example.id}`;
  const receipt = checkReceipt(example.proof, keys);
  if (receipt.kind === "refused") throw refused(name, receipt.why);
  if (receipt.sequence !== example.sequence) {
    throw refused(name, `its proof is of event ${receipt.sequence}, and not of ${example.sequence}`);
  }
  const recorded = JSON.parse(Buffer.from(receipt.entry).toString("utf8")) as RecordedEvent;
  const shown = JSON.stringify(example.event);
  if (shown !== JSON.stringify(provenEvent(receipt.entry))) throw refused(name, "the event says something else");
  if (!isExampleName(example.id) || !isSuch(EXAMPLES[example.id], recorded)) {
    throw refused(name, `event ${example.sequence} is ${recorded.type}, which is no example of it`);
  }
  const atMs = recorded.at / 1_000;
  if (!(atMs >= Date.parse(period.since) && atMs < Date.parse(period.until))) {
    throw refused(name, "its event was not recorded in the period");
  }
}

/** What every event has. */
type RecordedEvent = {
  readonly type: string;
  /** Microseconds since 1970. */
  readonly at: number;
  readonly decision?: { readonly act?: Json; readonly effect?: Json };
};

function isSuch(example: Example, { type, decision }: RecordedEvent): boolean {
  if (example.list === "events") return type === example.type;
  const { act = decision?.act, outcome = decision?.effect } = example.where;
  return type === "decision.made" && act === decision?.act && outcome === decision?.effect;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function refused(what: string, why: string): Failure {
  return new Failure(`${what} proves nothing: ${why}`, EXIT.refused);
}

export const checkedReportView: View<CheckedReport> = {
  fields: [
    ["kind", () => "report"],
    ["framework", ({ report }) => report.framework.id],
    ["since", ({ report }) => report.period.since],
    ["until", ({ report }) => report.period.until],
    ["trust_domain", ({ report }) => report.trust_domain],
    ["epoch", ({ report }) => report.ledger.epoch],
    ["tree_size", ({ treeSize }) => treeSize],
    ["root_hash", ({ rootHash }) => Buffer.from(rootHash).toString("hex")],
    ["proved", ({ proved }) => proved],
    ["data_sha256", ({ report }) => reportDigest(report)],
    ["page", (checked) => ("page" in checked ? (checked.page ?? "not compared: another version made it") : undefined)],
    ["not_proved", ({ report }) => `${report.figures.length} figures: their commands count them again`],
  ],
  columns: [],
};
