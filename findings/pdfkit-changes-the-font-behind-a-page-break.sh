#!/usr/bin/env bash
# pdfkit: where a document is given its first font (`new PDFDocument({ font })`), text that goes over the end of a page goes on in that font, and
# not in the one that it was begun in: the page that is added for the rest of the text is made of the document's own options, and these set the
# font. The width of the lines was computed for the other font. Without `font` in the options the same text keeps its font.
#
# Seen: pdfkit 0.20.2 (npm), Node.js 24.20.0.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts pdfkit@0.20.2
cat > seen.mjs <<'JS'
import PDFDocument from "pdfkit";

async function fontsByPage(options) {
  const document = new PDFDocument({ compress: false, ...options });
  const chunks = [];
  document.on("data", (chunk) => chunks.push(chunk));
  const ended = new Promise((resolve) => document.on("end", resolve));
  document.font("Courier").text("a line\n".repeat(60)).end();
  await ended;
  const pdf = Buffer.concat(chunks).toString("latin1");
  const fontOf = new Map([...pdf.matchAll(/^(\d+) 0 obj\n<<[^]*?>>/gm)].map(([object, id]) => [id, /\/BaseFont \/([\w-]+)/.exec(object)?.[1]]));
  const nameOf = new Map([...pdf.matchAll(/\/(F\d+) (\d+) 0 R/g)].map(([, name, id]) => [name, fontOf.get(id)]));
  const ids = [...pdf.matchAll(/\/(F\d+) \d+ Tf/g)].map(([, id]) => id);
  const runs = ids.filter((id, index) => id !== ids[index - 1]);
  return runs.map((id) => nameOf.get(id) ?? id).join(", then ");
}
console.log("font in the options:", await fontsByPage({ font: "Helvetica" }));
console.log("no font in the options:", await fontsByPage({}));
JS
node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
font in the options: Courier, then Helvetica
no font in the options: Courier
SEEN
