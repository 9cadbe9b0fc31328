import type { styleText } from "node:util";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [member: string]: Json };

/** One row of data in the words of the contract: what JSON prints, and CSV flat. */
export type DataRecord = { readonly [member: string]: Json };

/** A member of the record: `null` where there is no value, `undefined` where rows of this kind have no such member. */
export type Field<Row> = readonly [name: string, value: (row: Row) => Json | undefined];

type Style = Extract<Parameters<typeof styleText>[0], string>;

export type Column<Row> = {
  readonly header: string;
  readonly text: (row: Row) => string;
  /** How a cell is colored where colors are wanted. */
  readonly style?: (row: Row) => Style | undefined;
  /** Numbers stand under each other by their last digit. */
  readonly align?: "right";
};

/** How rows of one type are shown: all of their members as data, and the telling ones as a table. */
export type View<Row> = {
  readonly fields: readonly Field<Row>[];
  readonly columns: readonly Column<Row>[];
};

export function recordOf<Row>(view: View<Row>, row: Row): DataRecord {
  const members = view.fields.flatMap(([name, value]): [string, Json][] => {
    const member = value(row);
    return member === undefined ? [] : [[name, member]];
  });
  return Object.fromEntries(members);
}

export function styleOf(isGood: boolean, isBad: boolean): "green" | "red" | undefined {
  if (isGood) return "green";
  return isBad ? "red" : undefined;
}
