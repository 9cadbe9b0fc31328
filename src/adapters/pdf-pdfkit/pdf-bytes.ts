import { once } from "node:events";
import PDFDocument from "pdfkit";
import type { Block, Run } from "./blocks.ts";
import { winAnsiText } from "./win-ansi.ts";

/** What a reader is told of a document beside its text. */
export type PdfAbout = {
  readonly title: string;
  readonly madeBy: string;
  readonly madeAt: Date;
  /** A file within the document, which programs read. */
  readonly attachment: { readonly name: string; readonly bytes: Uint8Array; readonly description: string };
};

type Document = InstanceType<typeof PDFDocument>;
type Structure = ReturnType<Document["struct"]>;

const MARGIN = 56;
const FONTS = { plain: "Helvetica", strong: "Helvetica-Bold", code: "Courier" } as const;
const SIZES = { text: 10, code: 8, foot: 8, heading: { 1: 19, 2: 15, 3: 12 } } as const;
const INK = "#1b1b1f";
const QUIET = "#55555e";
const LINK = "#0b4fb3";
/** Under a heading there has to be room for this, in points; otherwise it begins a page. */
const UNDER_HEADING = 72;

/**
 * A document as a PDF whose parts are tagged, so that what reads it aloud knows headings, lists and tables, with bookmarks, page numbers and
 * a file attached. It takes the standard fonts: no font is embedded, and what they do not have is told by its number.
 */
export async function pdfBytes(blocks: readonly Block[], about: PdfAbout): Promise<Uint8Array> {
  const document = new PDFDocument({
    size: "A4",
    margins: { top: MARGIN, bottom: MARGIN, left: MARGIN, right: MARGIN },
    pdfVersion: "1.7",
    tagged: true,
    lang: "en",
    displayTitle: true,
    bufferPages: true,
    // No `font`: text that goes over the end of a page would go on in it, whatever it was begun in.
    info: {
      Title: winAnsiText(about.title),
      Creator: about.madeBy,
      Producer: about.madeBy,
      CreationDate: about.madeAt,
    },
  });
  const chunks: Buffer[] = [];
  document.on("data", (chunk: Buffer) => chunks.push(chunk));
  const ended = once(document, "end");

  const whole = document.struct("Document");
  document.addStructure(whole);
  const outline = createOutline(document);
  for (const block of blocks) addBlock(document, whole, block, outline);
  whole.end();
  numberPages(document, about.title);
  const { name, bytes, description } = about.attachment;
  document.file(Buffer.from(bytes), {
    name,
    type: "application/json",
    description,
    creationDate: about.madeAt,
    modifiedDate: about.madeAt,
  });
  document.end();
  await ended;
  return Buffer.concat(chunks);
}

type Outline = { add(level: number, text: string): void };

/** Bookmarks: those of the second level, and below them those of the third. */
function createOutline({ outline }: Document): Outline {
  let part: PDFKit.PDFOutline | undefined;
  return {
    add(level, text) {
      if (level === 2) part = outline.addItem(text);
      if (level === 3) part?.addItem(text);
    },
  };
}

function addBlock(document: Document, whole: Structure, block: Block, outline: Outline): void {
  switch (block.kind) {
    case "heading":
      addHeading(document, whole, block, outline);
      break;
    case "text":
      whole.add(document.struct("P", {}, () => addRuns(document, block.runs, block.tone === "quiet" ? QUIET : INK)));
      break;
    case "list":
      addList(document, whole, block.items);
      break;
    case "facts":
      addList(
        document,
        whole,
        block.facts.map(([term, said]) => [{ text: `${term}: `, strong: true }, { text: said }]),
      );
      break;
    case "table":
      addTable(document, whole, block);
      break;
    case "code": {
      const write = () => font(document, "code", SIZES.code, INK).text(winAnsiText(block.text), { lineGap: 1 });
      whole.add(document.struct("Code", {}, () => void write()));
      break;
    }
  }
  document.moveDown(0.5);
}

function addHeading(
  document: Document,
  whole: Structure,
  { level, id, text }: Extract<Block, { readonly kind: "heading" }>,
  outline: Outline,
): void {
  const room = document.page.height - document.page.margins.bottom - document.y;
  if (room < UNDER_HEADING) document.addPage();
  else if (level > 1) document.moveDown(0.7);
  const shown = winAnsiText(text);
  outline.add(level, shown);
  const write = () => font(document, "strong", SIZES.heading[level], INK).text(shown, { destination: id });
  whole.add(document.struct(`H${level}`, {}, () => void write()));
}

function addList(document: Document, whole: Structure, items: readonly (readonly Run[])[]): void {
  const list = document.struct("L");
  whole.add(list);
  for (const runs of items) {
    const item = document.struct("LI");
    list.add(item);
    item.add(document.struct("LBody", {}, () => addRuns(document, [{ text: "•  " }, ...runs], INK)));
    item.end();
  }
  list.end();
}

function addTable(
  document: Document,
  whole: Structure,
  { caption, head, rows }: Extract<Block, { readonly kind: "table" }>,
): void {
  const table = document.struct("Table");
  whole.add(table);
  table.add(document.struct("Caption", {}, () => addRuns(document, [{ text: caption, strong: true }], INK)));
  const width = document.page.width - 2 * MARGIN;
  const widths = widthsOf(head.length, width);
  const all = [head.map((text): Run => ({ text, strong: true })), ...rows];
  for (const [index, cells] of all.entries()) {
    const row = document.struct("TR");
    table.add(row);
    const heights = cells.map((run, column) => heightOf(document, run, widths[column] ?? width));
    const height = Math.max(...heights) + 3;
    if (document.y + height > document.page.height - MARGIN) document.addPage();
    const top = document.y;
    let left = MARGIN;
    for (const [column, run] of cells.entries()) {
      const at = { x: left, width: (widths[column] ?? width) - 8 };
      const write = () =>
        fontOf(document, run, INK).text(winAnsiText(run.text), at.x, top, { width: at.width, ...linkOf(run) });
      row.add(document.struct(index === 0 || column === 0 ? "TH" : "TD", {}, () => void write()));
      left += widths[column] ?? width;
    }
    row.end();
    document.x = MARGIN;
    document.y = top + height;
  }
  table.end();
}

/** The last column is a short one, a number or a word or two, and of three the first is as well. */
function widthsOf(columns: number, whole: number): readonly number[] {
  const short = 100;
  return columns === 3 ? [short, whole - 2 * short, short] : [whole - short, short];
}

function heightOf(document: Document, run: Run, width: number): number {
  return fontOf(document, run, INK).heightOfString(winAnsiText(run.text), { width: width - 8 });
}

function addRuns(document: Document, runs: readonly Run[], color: string): void {
  // Without text nothing is drawn that would end the line.
  const drawn = runs.filter(({ text }) => text !== "");
  for (const [index, run] of drawn.entries()) {
    const options = { continued: index < drawn.length - 1, ...(run.to === undefined ? NO_LINK : linkOf(run)) };
    fontOf(document, run, color).text(winAnsiText(run.text), options);
  }
}

/** Text that goes on has the options of what went before, unless it says otherwise; the types know no way to. */
const NO_LINK = { goTo: null } as unknown as { readonly goTo?: string };

function linkOf({ to }: Run): { readonly goTo?: string } {
  return to === undefined ? {} : { goTo: to };
}

function fontOf(document: Document, run: Run, color: string): Document {
  const kind = run.code === true ? "code" : run.strong === true ? "strong" : "plain";
  return font(document, kind, kind === "code" ? SIZES.code : SIZES.text, run.to === undefined ? color : LINK);
}

function font(document: Document, kind: keyof typeof FONTS, size: number, color: string): Document {
  return document.font(FONTS[kind]).fontSize(size).fillColor(color);
}

/** What is on every page is no part of the text: nobody wants it read aloud. */
function numberPages(document: Document, title: string): void {
  const { start, count } = document.bufferedPageRange();
  for (let page = start; page < start + count; page += 1) {
    document.switchToPage(page);
    // Text below the margin would begin a page.
    document.page.margins.bottom = 0;
    document.markContent("Artifact", { type: "Pagination" });
    font(document, "plain", SIZES.foot, QUIET).text(
      `${winAnsiText(title)}  ·  ${page + 1} / ${count}`,
      MARGIN,
      document.page.height - MARGIN + 20,
      { width: document.page.width - 2 * MARGIN, align: "center", lineBreak: false, ellipsis: true },
    );
    document.endMarkedContent();
    document.page.margins.bottom = MARGIN;
  }
}
