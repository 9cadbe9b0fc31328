/** Two digits that count, three where the first is a 1: more is not known. */
function rounded(value: number): number {
  if (value === 0) return 0;
  const magnitude = 10 ** Math.floor(Math.log10(Math.abs(value)));
  const unit = magnitude / (Math.abs(value) / magnitude < 2 ? 100 : 10);
  return Math.round(value / unit) * unit;
}

/** With a comma between thousands, and no more digits than count. */
export function figure(value: number): string {
  const text = rounded(value);
  const digits = Math.abs(text) >= 100 ? 0 : Math.abs(text) >= 10 ? 1 : 2;
  return text.toLocaleString("en-US", { maximumFractionDigits: digits });
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];

/** In powers of a thousand, as disks and networks are sold. */
export function bytes(value: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, rounded(value))) / 3)));
  return `${figure(value / 1_000 ** power)} ${UNITS[power]}`;
}

export const percent = (share: number): string => `${figure(share * 100)} %`;

/** A table of Markdown; the first row is its head. */
export function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = rows;
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rest.map(line)].join("\n");
}
