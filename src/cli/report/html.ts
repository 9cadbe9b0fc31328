import { showControls } from "../output/show-controls.ts";

/** Markup: what went into it as text is escaped. */
export type Html = { readonly markup: string };

type Inserted = Html | readonly Html[] | string | number;

/**
 * Markup of a template; texts and numbers in it are escaped, and what would turn the direction of text around or show as nothing is made
 * visible. It is for content and for values of attributes in double quotes.
 */
export function html(parts: TemplateStringsArray, ...values: readonly Inserted[]): Html {
  const inserted = values.map(markupOf);
  return { markup: parts.map((part, index) => part + (inserted[index] ?? "")).join("") };
}

function markupOf(value: Inserted): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return escapeText(showControls(value));
  return "markup" in value ? value.markup : value.map(({ markup }) => markup).join("");
}

/** Text of several lines, without controls but line feeds, for a `pre`. */
export function lines(text: string): Html {
  return {
    markup: text
      .split("\n")
      .map((line) => escapeText(showControls(line)))
      .join("\n"),
  };
}

const REFERENCES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" } as const;
type Escaped = keyof typeof REFERENCES;

function escapeText(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => REFERENCES[character as Escaped]);
}

/** The text that such markup shows. */
export function textOfMarkup(markup: string): string {
  return Object.entries(REFERENCES).reduceRight(
    (text, [character, reference]) => text.replaceAll(reference, character),
    markup,
  );
}
