/** Where a finding is to be mended. */
export type Place =
  | { readonly kind: "file"; readonly file: string; readonly line: number; readonly column: number }
  | { readonly kind: "environment"; readonly variable: string }
  | { readonly kind: "flag"; readonly flag: string };

/** One thing that is wrong, or worth a warning, in the configuration. Never repeats a value. */
export type Finding = {
  readonly place: Place;
  /** As in the file: `http.listen`, `entries[2].selectors`; empty for the file as a whole. */
  readonly key: string;
  readonly message: string;
};

/** What is wrong with a configuration: as many findings at once as possible, so that nobody mends it start by start. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    super(findings.map(formatFinding).join("\n"));
    this.findings = findings;
  }
}

/** `stint.yaml:12:3: log.level: expected one of …`: one line, in the form that editors and terminals can follow. */
export function formatFinding(finding: Finding): string {
  return [formatPlace(finding.place), ...(finding.key === "" ? [] : [finding.key]), finding.message].join(": ");
}

export function formatPlace(place: Place): string {
  switch (place.kind) {
    case "file":
      return `${place.file}:${place.line}:${place.column}`;
    case "environment":
      return `environment ${place.variable}`;
    case "flag":
      return `flag ${place.flag}`;
  }
}

/** A key's path as people write it. A part that is no plain name is quoted, so that it can't forge a line. */
export function formatKey(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += `${text === "" ? "" : "."}${formatName(String(part))}`;
  }
  return text;
}

const PLAIN_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const NAME_LENGTH_SHOWN_MAX = 64;

function formatName(name: string): string {
  if (PLAIN_NAME.test(name)) return name;
  const shown = name.length > NAME_LENGTH_SHOWN_MAX ? `${name.slice(0, NAME_LENGTH_SHOWN_MAX)}…` : name;
  return JSON.stringify(shown).replace(/[\u007f-\u009f\u2028\u2029]/g, "\ufffd");
}
