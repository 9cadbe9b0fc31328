import { pdfBytes } from "../../adapters/pdf-pdfkit/pdf-bytes.ts";
import { showControls } from "../output/show-controls.ts";
import type { Report } from "./report.ts";
import { reportBlocks } from "./report-blocks.ts";
import { reportJson } from "./report-json.ts";
import { titleOf } from "./report-words.ts";

/** A report as a PDF, with its data attached: those are what `stint ledger check` takes. */
export function pdfReport(report: Report): Promise<Uint8Array> {
  return pdfBytes(reportBlocks(report), {
    title: showControls(titleOf(report)),
    madeBy: report.made_by,
    madeAt: new Date(report.made_at),
    attachment: {
      name: `stint-report-${report.framework.id}.json`,
      bytes: Buffer.from(`${reportJson(report)}\n`),
      description: "What this report says, for stint ledger check",
    },
  });
}
