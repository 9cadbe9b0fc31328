import { hash } from "node:crypto";
import { escapeControls } from "../output/show-controls.ts";
import { type Html, html, lines } from "./html.ts";
import { REPORT_STYLE } from "./html-style.ts";
import type { Report, ReportedClaim, ReportedControl, ReportedExample, ReportedFigure } from "./report.ts";
import { reportDigest, reportJson } from "./report-json.ts";
import * as words from "./report-words.ts";

/**
 * A report as one static file: it loads nothing and runs nothing, and its proofs can be checked where they stand.
 *
 * @returns markup that begins with `HTML_HEAD`.
 */
export function htmlReport(report: Report): string {
  const { framework, period } = report;
  const figures = new Map(report.figures.map((figure) => [figure.id, figure]));
  const page = html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy()}">
<meta name="generator" content="${report.made_by}">
<meta name="stint-report" content="${report.schema}">
<title>${words.titleOf(report)}</title>
<style>${{ markup: REPORT_STYLE }}</style>
</head>
<body>
<header>
<h1>${words.titleOf(report)}</h1>
<dl>
${words.factsOf(report).map(([term, said]) => html`<dt>${term}</dt><dd><bdi>${said}</bdi></dd>\n`)}</dl>
<p>Of what was recorded from <time class="since" datetime="${period.since}">${period.since}</time> on and before <time class="until" datetime="${period.until}">${period.until}</time>.</p>
${report.reservations.map((said) => html`<p class="note"><strong>${said}</strong></p>\n`)}</header>
<main>
<h2 id="reading">How to read and check it</h2>
${words.READING.map((said) => html`<p>${said}</p>\n`)}<pre tabindex="0">${lines(words.checkCommands(report))}</pre>
<h2 id="overview">Overview</h2>
${overview(report)}
<h2 id="controls">Controls</h2>
${report.controls.map((control) => controlSection(control, figures))}
<h3 id="nothing-for">All other controls of ${framework.name}</h3>
${nothingFor(report)}
<h2 id="figures">Figures</h2>
<p>${words.FIGURES}</p>
${report.figures.map(figureSection)}
<h2 id="examples">Examples</h2>
<p>${words.EXAMPLES}</p>
${report.examples.map(exampleSection)}
<h2 id="checkpoint">Checkpoint</h2>
<p>${words.CHECKPOINT}</p>
<pre tabindex="0" class="checkpoint">${lines(report.ledger.checkpoint)}</pre>
<p>${words.VERIFIER_KEY}</p>
<pre tabindex="0">${lines(report.ledger.verifier_key)}</pre>
<h2 id="data">Data</h2>
<p>${words.DATA}</p>
<p>SHA-256 of the data: <code>${reportDigest(report)}</code></p>
${{ markup: DATA_BEGIN }}${lines(reportJson(report))}${{ markup: DATA_END }}
</body>
</html>
`;
  return `${HTML_HEAD}${page.markup}`;
}

/** How the file begins. */
export const HTML_HEAD = "<!doctype html>\n";
/** Between these the page has all that it shows as JSON, which `stint ledger check` reads. */
export const DATA_BEGIN = '<pre tabindex="0" class="data">';
export const DATA_END = "</pre>\n</main>";

/** Nothing may be loaded, sent or run; of styles this one alone. */
function contentPolicy(): string {
  const style = hash("sha256", REPORT_STYLE, "base64");
  return `default-src 'none'; style-src 'sha256-${style}'; base-uri 'none'; form-action 'none'`;
}

function overview({ controls }: Report): Html {
  return html`<div class="wide" tabindex="0" role="region" aria-label="Overview of controls"><table>
<caption>Controls, and whether Stint does anything for them</caption>
<thead><tr><th scope="col">Control</th><th scope="col">Title</th><th scope="col">Stint does</th></tr></thead>
<tbody>
${controls.map(
  ({ id, title, does }) =>
    html`<tr><th scope="row"><a href="#${anchorOf(id)}">${id}</a></th><td>${title}</td><td>${words.does(does.length)}</td></tr>\n`,
)}</tbody></table></div>`;
}

/** Ids of controls have spaces and parentheses, which an anchor must not have. */
function anchorOf(control: string): string {
  return `control-${control.replaceAll(/[^A-Za-z0-9.-]/g, "-")}`;
}

function controlSection(control: ReportedControl, figures: ReadonlyMap<string, ReportedFigure>): Html {
  const { id, title, does, not_covered: notCovered } = control;
  return html`<section aria-labelledby="${anchorOf(id)}">
<h3 id="${anchorOf(id)}">${id}: ${title}</h3>
${does.length === 0 ? html`<p class="nothing">${words.NOTHING}</p>\n` : html`<ul>\n${does.map((claim) => claimItem(claim, figures))}</ul>\n`}<p><strong>Not covered.</strong> ${notCovered}</p>
</section>
`;
}

function claimItem(
  { says, promise, figures: counted, examples }: ReportedClaim,
  all: ReadonlyMap<string, ReportedFigure>,
) {
  const figures = counted.flatMap((id) => all.get(id) ?? []);
  return html`<li><p>${says}</p>
<p class="quiet">${words.promise(promise)}</p>
<ul>
${figures.map(({ id, title, count }) => html`<li><a href="#figure-${id}">${title}</a>: <strong>${count}</strong></li>\n`)}${examples.map((id) => html`<li>Example: <a href="#example-${id}">${words.exampleTitle(id)}</a></li>\n`)}</ul></li>
`;
}

function nothingFor({ nothing_for: { controls, because } }: Report): Html {
  if (controls.length === 0) return html`<p>${words.NO_OTHERS}</p>`;
  return html`<p class="nothing">${words.NOTHING} ${because}</p>
<p>${controls.join(", ")}</p>`;
}

function figureSection(figure: ReportedFigure): Html {
  const { id, title, count, command, groups } = figure;
  return html`<section aria-labelledby="figure-${id}">
<h3 id="figure-${id}">${title}</h3>
<p><strong>${count}</strong>${groups === undefined ? "" : words.inAll(figure)}</p>
<pre tabindex="0">${lines(command)}</pre>
${figure.may_change ? html`<p class="quiet">${words.MAY_CHANGE}</p>\n` : ""}${groups === undefined || groups.length === 0 ? "" : groupTable(figure, groups)}</section>
`;
}

function groupTable({ title }: ReportedFigure, groups: NonNullable<ReportedFigure["groups"]>): Html {
  return html`<div class="wide" tabindex="0" role="region" aria-label="${title}"><table>
<caption>${title}</caption>
<thead><tr><th scope="col">Value</th><th scope="col">Count</th></tr></thead>
<tbody>
${groups.map(({ value, count }) => html`<tr><th scope="row"><bdi>${words.groupValue(value)}</bdi></th><td class="number">${count}</td></tr>\n`)}</tbody></table></div>
`;
}

function exampleSection(example: ReportedExample): Html {
  const { id, title } = example;
  if ("absent" in example) {
    return html`<section aria-labelledby="example-${id}">
<h3 id="example-${id}">${title}</h3>
<p class="nothing">${words.noExample(example.absent)}</p>
</section>
`;
  }
  const { sequence, event, proof } = example;
  return html`<section aria-labelledby="example-${id}">
<h3 id="example-${id}">${title}</h3>
<p>Event <span class="sequence">${sequence}</span> of the ledger:</p>
<pre tabindex="0" class="event">${lines(escapeControls(JSON.stringify(event, undefined, 2)))}</pre>
<p>Its proof, by itself for <code>stint ledger check</code>:</p>
<pre tabindex="0" class="proof">${lines(proof)}</pre>
</section>
`;
}
