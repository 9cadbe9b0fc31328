import process from "node:process";

export const print = (line = ""): void => void process.stdout.write(`${line}\n`);

/** One line of a table: what it is about, and cells that end one below the other. */
export function printRow(
  what: string,
  cells: readonly string[],
  widths: { readonly first: number; readonly cell: number },
) {
  print(`${what.padEnd(widths.first)}${cells.map((cell) => ` ${cell}`.padStart(widths.cell)).join("")}`);
}

export const formatShare = (share: number): string => `${(share * 100).toFixed(0)} %`;
