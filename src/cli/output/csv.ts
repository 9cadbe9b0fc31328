import { showControls } from "./show-controls.ts";
import type { Json } from "./view.ts";

/**
 * A spreadsheet takes a cell that begins with one of these for a formula, the wide forms too where it is set to Japanese.
 * A tab or a carriage return, which some drop from the front, is made visible before.
 */
const FORMULA = /^[=+\-@＝＋－＠]/;
const NEEDS_QUOTES = /[",\n\r]/;

/**
 * One line of CSV: a cell a member, lists with a space between their elements, objects as JSON. Controls are made visible,
 * and a cell that a spreadsheet would compute gets an apostrophe in front.
 *
 * @see RFC 4180
 */
export function formatCsvLine(cells: readonly Json[]): string {
  return `${cells.map(cellOf).join(",")}\r\n`;
}

function cellOf(value: Json): string {
  // A number here is a number in the spreadsheet too; only text can become a formula.
  if (typeof value === "number") return String(value);
  const text = showControls(textOf(value));
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function textOf(value: Json): string {
  if (value === null) return "";
  if (Array.isArray(value)) return (value as readonly Json[]).map(textOf).join(" ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
