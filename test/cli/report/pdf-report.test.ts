import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { showControls } from "../../../src/cli/output/show-controls.ts";
import { pdfReport } from "../../../src/cli/report/pdf-report.ts";
import type { Report } from "../../../src/cli/report/report.ts";
import { streamsOf, textOfPdf } from "../../adapters/pdf-pdfkit/pdf-text.ts";
import { STINT } from "../../programs.ts";
import { HOSTILE, reportWith } from "./made-up-report.ts";
import { reportScene } from "./report-scene.ts";

const scene = reportScene();

/** Without blanks: where a line is broken is no part of what it says. */
const dense = (text: string) => text.replaceAll(/\s/g, "");

test("the program as it is shipped writes a PDF that says what the report says, with its data attached", async () => {
  const folder = mkdtempSync(join(tmpdir(), "stint-report-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const out = join(folder, "report.pdf");
  const args = ["report", "--framework", "owasp-mcp", "--format", "pdf", "--out", out];
  const child = spawn(process.execPath, [STINT, "--operator-socket", scene.daemon().operatorSocket, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  expect(await once(child, "exit")).toEqual([0, null]);

  const pdf = readFileSync(out);
  const attached = streamsOf(pdf).find(({ dictionary }) => dictionary.includes("/EmbeddedFile"));
  const report = JSON.parse(String(attached?.bytes)) as Report;
  const shown = dense(textOfPdf(pdf));
  const said = [
    ...report.figures.flatMap(({ title, command }) => [title, command]),
    ...report.controls.flatMap(({ id, title, not_covered: text }) => [`${id}: ${title}`, text]),
    ...report.controls.flatMap(({ does }) => does.map(({ says }) => says)),
    report.ledger.verifier_key,
  ];
  // The foot of a page is drawn after all pages, and stands within none of their texts.
  expect(said.filter((text) => !shown.includes(dense(text)))).toEqual([]);

  const key = (await scene.operator(["ledger", "key"])).out.trim();
  const checked = await scene.operator(["-o", "json", "ledger", "check", "-", "--key", key], {
    input: String(attached?.bytes),
  });
  expect(checked.status).toBe(0);
});

test("hostile names are text", async () => {
  const shown = dense(textOfPdf(await pdfReport(reportWith(HOSTILE))));
  expect(shown).toContain(dense("<img src=x onerror=alert(1)>'\"><script>\\u{202e}gnp.exe\\u{2066}\\u{5e9}"));
  expect(showControls(HOSTILE)).toContain("\\u{202e}");
});
