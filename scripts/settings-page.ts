// docs/settings.md: every setting of stint.yaml, from the schema that checks the file. `make settings` writes the page, and test/docs
// says when the page is not what the schema says.
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { z } from "zod";
import { entrySchema } from "../src/config/entry-schema.ts";
import { exchangeSchema } from "../src/config/exchange-schema.ts";
import { fileSchema } from "../src/config/schema.ts";
import { settingsOf } from "../src/config/settings.ts";

export const SETTINGS_PAGE = resolve(import.meta.dirname, "../docs/settings.md");

const HEAD = `# Settings

What \`stint.yaml\` may say. This page is made from the schema that checks the file (\`make settings\`); \`stintd validate\` says what is
wrong with a file.

A setting that is no list can also be given by a flag (\`stintd run --set log.level=debug\`) or by the variable that is named here. A flag goes
before the environment, the environment before the file, the file before the default. Times are \`90s\`, \`5m\`, \`12h\` or \`30d\`. A key that
is not on this page is refused.
`;

/** The page, from the schema. */
export function settingsPage(): string {
  const sections = Object.entries(fileSchema.shape)
    .filter(([name]) => name !== "entries" && name !== "exchanges")
    .map(([name, schema]) => sectionOf(name, schema));
  const whole = tableOf(sections.flatMap(({ rows, isSection }) => (isSection ? [] : rows)));
  const parts = sections
    .filter(({ isSection }) => isSection)
    .map(({ name, text, rows }) => `## ${name}\n\n${text === "" ? "" : `${text}\n\n`}${tableOf(rows)}`);
  const lists = [
    "## entries\n\nA list of registration entries; each has a `kind`, and the keys of that kind.",
    ...entrySchema.options.map(kindOf),
    "## exchanges\n\nA list of other systems whose secrets steps may be given; each has a `kind`, and the keys of that kind.",
    ...exchangeSchema.options.map(kindOf),
  ];
  return `${[HEAD.trimEnd(), `## The broker\n\n${whole}`, ...parts, ...lists].join("\n\n")}\n`;
}

/** What one kind of a list's members may say. */
function kindOf({
  shape: { kind, ...keys },
}: {
  readonly shape: { readonly kind: z.ZodLiteral<string> } & z.ZodRawShape;
}) {
  const rows = Object.entries(keys).flatMap(([key, schema]) => rowsOf([key], schema as z.ZodType, undefined));
  return `### ${[...kind.def.values].join()}\n\n${tableOf(rows, false)}`;
}

type Row = {
  readonly key: string;
  readonly takes: string;
  readonly fallback: string;
  readonly variable: string;
  readonly text: string;
};

const VARIABLES = new Map(settingsOf(fileSchema).map(({ key, variable }) => [key, variable]));

function sectionOf(name: string, schema: z.ZodType) {
  const { inner, text } = unwrapped(schema);
  return { name, text, isSection: inner instanceof z.ZodObject, rows: rowsOf([name], schema, undefined) };
}

/** One row for a value; for a mapping, or a list of mappings, those of its members. */
function rowsOf(path: readonly string[], schema: z.ZodType, around: string | undefined): readonly Row[] {
  const { inner, text, fallback } = unwrapped(schema);
  const element = elementOf(inner);
  const members = unwrapped(element).inner;
  const key = path.join(".");
  if (members instanceof z.ZodObject) {
    const below = belowOf(path, inner);
    const rows = Object.entries(members.shape).flatMap(([name, one]) =>
      rowsOf([...below, name], one as z.ZodType, text),
    );
    return path.length === 1 || text === "" || text === around ? rows : [groupOf(below.join("."), text), ...rows];
  }
  const variable = VARIABLES.get(key);
  return [{ key, takes: takes(schema), fallback, variable: variable === undefined ? "" : code(variable), text }];
}

/** What a list or a mapping by names holds; anything else itself. */
function elementOf(inner: z.ZodType): z.ZodType {
  if (inner instanceof z.ZodArray) return inner.element as z.ZodType;
  return inner instanceof z.ZodRecord ? (inner.valueType as z.ZodType) : inner;
}

function belowOf(path: readonly string[], inner: z.ZodType): readonly string[] {
  if (inner instanceof z.ZodArray) return [...path.slice(0, -1), `${path.at(-1)}[]`];
  return inner instanceof z.ZodRecord ? [...path, "<name>"] : path;
}

function groupOf(key: string, text: string): Row {
  return { key, takes: "", fallback: "", variable: "", text };
}

/** What is expected there, in the words of the refusal of a value that is missing. */
function takes(schema: z.ZodType): string {
  const { inner } = unwrapped(schema);
  const refusal = inner.safeParse(undefined).error?.issues[0]?.message ?? "";
  return refusal.replace(/^missing; expected /, "").replace(/^expected /, "");
}

function unwrapped(schema: z.ZodType): { readonly inner: z.ZodType; readonly text: string; readonly fallback: string } {
  let inner = schema;
  let text = schema.description;
  let fallback: unknown;
  for (;;) {
    if (inner instanceof z.ZodPrefault) fallback ??= inner.def.defaultValue;
    else if (!(inner instanceof z.ZodOptional)) break;
    inner = inner.unwrap() as z.ZodType;
    text ??= inner.description;
  }
  const isShown = ["string", "number", "boolean"].includes(typeof fallback);
  return { inner, text: text ?? "", fallback: isShown ? code(String(fallback)) : "" };
}

function tableOf(rows: readonly Row[], hasVariables = true): string {
  const columns = ["key", "takes", "default", ...(hasVariables ? ["variable"] : []), "is"];
  const lines = rows.map(({ key, takes: what, fallback, variable, text }) =>
    line([code(key), what, fallback, ...(hasVariables ? [variable] : []), text]),
  );
  return [line(columns), line(columns.map(() => "---")), ...lines].join("\n");
}

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function code(text: string): string {
  return `\`${text}\``;
}

if (process.argv[1] === import.meta.filename) writeFileSync(SETTINGS_PAGE, settingsPage());
