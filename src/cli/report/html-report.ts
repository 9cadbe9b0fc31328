import { hash } from "node:crypto";
import type { Block, Run } from "../../adapters/pdf-pdfkit/blocks.ts";
import { type Html, html, lines } from "./html.ts";
import { REPORT_STYLE } from "./html-style.ts";
import type { Report } from "./report.ts";
import { reportBlocks } from "./report-blocks.ts";
import { reportJson } from "./report-json.ts";
import { titleOf } from "./report-words.ts";

/** How the file begins. */
export const HTML_HEAD = "<!doctype html>\n";
/** Between these the page has all that it shows as JSON, which `stint ledger check` reads. */
export const DATA_BEGIN = '<pre tabindex="0" class="data">';
export const DATA_END = "</pre>\n</main>";

/**
 * A report as one static file: it loads nothing and runs nothing, and its proofs can be checked where they stand.
 *
 * @returns markup that begins with `HTML_HEAD`.
 */
export function htmlReport(report: Report): string {
  const page = html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy()}">
<meta name="generator" content="${report.made_by}">
<meta name="stint-report" content="${report.schema}">
<title>${titleOf(report)}</title>
<style>${{ markup: REPORT_STYLE }}</style>
</head>
<body>
<main>
${reportBlocks(report).map(blockMarkup)}${{ markup: DATA_BEGIN }}${lines(reportJson(report))}${{ markup: DATA_END }}
</body>
</html>
`;
  return `${HTML_HEAD}${page.markup}`;
}

/** Nothing may be loaded, sent or run; of styles this one alone. */
function contentPolicy(): string {
  const style = hash("sha256", REPORT_STYLE, "base64");
  return `default-src 'none'; style-src 'sha256-${style}'; base-uri 'none'; form-action 'none'`;
}

function blockMarkup(block: Block): Html {
  switch (block.kind) {
    case "heading":
      return headingMarkup(block);
    case "text": {
      const tone = block.tone === undefined ? html`` : html` class="${block.tone}"`;
      return html`<p${tone}>${block.runs.map(runMarkup)}</p>\n`;
    }
    case "list":
      return html`<ul>\n${block.items.map((runs) => html`<li>${runs.map(runMarkup)}</li>\n`)}</ul>\n`;
    case "facts":
      return html`<dl>\n${block.facts.map(([term, said]) => html`<dt>${term}</dt><dd><bdi>${said}</bdi></dd>\n`)}</dl>\n`;
    case "table":
      return tableMarkup(block);
    case "code":
      return html`<pre tabindex="0">${lines(block.text)}</pre>\n`;
  }
}

function headingMarkup({ level, id, text }: Extract<Block, { readonly kind: "heading" }>): Html {
  switch (level) {
    case 1:
      return html`<h1 id="${id}">${text}</h1>\n`;
    case 2:
      return html`<h2 id="${id}">${text}</h2>\n`;
    case 3:
      return html`<h3 id="${id}">${text}</h3>\n`;
  }
}

function tableMarkup({ caption, head, rows }: Extract<Block, { readonly kind: "table" }>): Html {
  return html`<div class="wide" tabindex="0" role="region" aria-label="${caption}"><table>
<caption>${caption}</caption>
<thead><tr>${head.map((text) => html`<th scope="col">${text}</th>`)}</tr></thead>
<tbody>
${rows.map(([first, ...cells]) => html`<tr><th scope="row">${first === undefined ? html`` : runMarkup(first)}</th>${cells.map(cellMarkup)}</tr>\n`)}</tbody></table></div>
`;
}

function cellMarkup(run: Run): Html {
  return /^\d+$/.test(run.text) ? html`<td class="number">${runMarkup(run)}</td>` : html`<td>${runMarkup(run)}</td>`;
}

/** Somebody else's text may go from right to left: it must not take what stands beside it along. */
function runMarkup({ text, strong, code, to }: Run): Html {
  const inner = html`<bdi>${text}</bdi>`;
  if (to !== undefined) return html`<a href="#${to}">${inner}</a>`;
  if (strong === true) return html`<strong>${inner}</strong>`;
  return code === true ? html`<code>${inner}</code>` : inner;
}
