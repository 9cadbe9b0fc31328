import type { Block, Run } from "../../adapters/pdf-pdfkit/blocks.ts";
import { escapeControls } from "../output/show-controls.ts";
import type { Report, ReportedClaim, ReportedControl, ReportedExample, ReportedFigure } from "./report.ts";
import { reportDigest } from "./report-json.ts";
import * as words from "./report-words.ts";

type Figures = ReadonlyMap<string, ReportedFigure>;

/** What a report shows, part by part, whatever it is rendered as; its data are not among them. */
export function reportBlocks(report: Report): readonly Block[] {
  const figures: Figures = new Map(report.figures.map((figure) => [figure.id, figure]));
  return [
    heading(1, "report", words.titleOf(report)),
    { kind: "facts", facts: words.factsOf(report) },
    ...report.reservations.map((said): Block => ({ kind: "text", tone: "note", runs: [{ text: said, strong: true }] })),
    heading(2, "reading", "How to read and check it"),
    ...words.READING.map(text),
    code(words.CHECK_COMMANDS),
    heading(2, "overview", "Overview"),
    overview(report),
    heading(2, "controls", "Controls"),
    ...report.controls.flatMap((control) => controlBlocks(control, figures)),
    heading(3, "nothing-for", `All other controls of ${report.framework.name}`),
    ...nothingFor(report),
    heading(2, "figures", "Figures"),
    text(words.FIGURES),
    ...report.figures.flatMap(figureBlocks),
    heading(2, "examples", "Examples"),
    text(words.EXAMPLES),
    ...report.examples.flatMap(exampleBlocks),
    heading(2, "checkpoint", "Checkpoint"),
    text(words.CHECKPOINT),
    code(report.ledger.checkpoint),
    text(words.VERIFIER_KEY),
    code(report.ledger.verifier_key),
    heading(2, "data", "Data"),
    text(words.DATA),
    { kind: "text", runs: [{ text: "SHA-256 of the data: " }, { text: reportDigest(report), code: true }] },
  ];
}

function overview({ controls }: Report): Block {
  return {
    kind: "table",
    caption: "Controls, and whether Stint does anything for them",
    head: ["Control", "Title", "Stint does"],
    rows: controls.map(({ id, title, does }) => [
      { text: id, to: anchorOf(id) },
      { text: title },
      { text: words.does(does.length) },
    ]),
  };
}

function controlBlocks(
  { id, title, does, not_covered: notCovered }: ReportedControl,
  figures: Figures,
): readonly Block[] {
  return [
    heading(3, anchorOf(id), `${id}: ${title}`),
    ...(does.length === 0 ? [note(words.NOTHING)] : does.flatMap((claim) => claimBlocks(claim, figures))),
    { kind: "text", runs: [{ text: "Not covered. ", strong: true }, { text: notCovered }] },
  ];
}

/** Ids of controls have spaces and parentheses, which an anchor must not have. */
function anchorOf(control: string): string {
  return `control-${control.replaceAll(/[^A-Za-z0-9.-]/g, "-")}`;
}

function claimBlocks({ says, promise, figures, examples }: ReportedClaim, all: Figures): readonly Block[] {
  const counted = figures.flatMap((id) => all.get(id) ?? []);
  const items = [
    ...counted.map((figure): readonly Run[] => [
      { text: figure.title, to: `figure-${figure.id}` },
      { text: ": " },
      { text: words.amount(figure), strong: true },
    ]),
    ...examples.map((id): readonly Run[] => [
      { text: "Example: " },
      { text: words.exampleTitle(id), to: `example-${id}` },
    ]),
  ];
  return [
    text(says),
    { kind: "text", tone: "quiet", runs: [{ text: words.promise(promise) }] },
    { kind: "list", items },
  ];
}

function nothingFor({ nothing_for: { controls, because } }: Report): readonly Block[] {
  if (controls.length === 0) return [text(words.NO_OTHERS)];
  return [note(`${words.NOTHING} ${because}`), text(controls.join(", "))];
}

function figureBlocks(figure: ReportedFigure): readonly Block[] {
  const { id, title, command, groups, may_change: mayChange } = figure;
  const inAll = groups === undefined ? "" : words.inAll(figure);
  return [
    heading(3, `figure-${id}`, title),
    { kind: "text", runs: [{ text: words.amount(figure), strong: true }, { text: inAll }] },
    code(command),
    ...(mayChange ? [{ kind: "text", tone: "quiet", runs: [{ text: words.MAY_CHANGE }] } as const] : []),
    ...(groups === undefined || groups.length === 0 ? [] : [groupTable(title, groups)]),
  ];
}

function groupTable(caption: string, groups: NonNullable<ReportedFigure["groups"]>): Block {
  const rows = groups.map(({ value, count }) => [{ text: words.groupValue(value) }, { text: String(count) }]);
  return { kind: "table", caption, head: ["Value", "Count"], rows };
}

function exampleBlocks(example: ReportedExample): readonly Block[] {
  const head = heading(3, `example-${example.id}`, example.title);
  if ("absent" in example) return [head, note(words.noExample(example.absent))];
  return [
    head,
    text(`Event ${example.sequence} of the ledger:`),
    code(escapeControls(JSON.stringify(example.event, undefined, 2))),
    text("Its proof, by itself for stint ledger check:"),
    code(example.proof),
  ];
}

function heading(level: 1 | 2 | 3, id: string, said: string): Block {
  return { kind: "heading", level, id, text: said };
}

function text(said: string): Block {
  return { kind: "text", runs: [{ text: said }] };
}

function note(said: string): Block {
  return { kind: "text", tone: "note", runs: [{ text: said }] };
}

function code(said: string): Block {
  return { kind: "code", text: said };
}
