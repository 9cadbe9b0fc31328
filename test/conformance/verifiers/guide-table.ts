import { read } from "../../docs/documents.ts";

/** What the guide's table says of a library that is not told more than it asks for. */
export type Row = {
  readonly library: string;
  /** What was run, e.g. `5.3.1, 3.9.2` of two packages. */
  readonly versions: string;
  /** Until how long after `exp` a token is taken, e.g. `60 s`, when nothing is said about it. */
  readonly afterExpiry: string;
  /** A token for another server, when no audience is told: `taken` or `refused`. */
  readonly elsewhere: string;
  /** A token that is bound to a key, brought without any proof: `taken` or `refused`. */
  readonly bound: string;
  /** How soon a token by a key that was made since the last fetch is taken: `at once`, `30 s`, or `yours` where the library fetches none. */
  readonly newKey: string;
};

/** The table's rows. */
export function guideTable(): readonly Row[] {
  return read("docs/guides/verify/README.md")
    .split("\n")
    .filter((line) => line.startsWith("| ["))
    .map((line) => {
      const [, name = "", versions = "", afterExpiry = "", elsewhere = "", bound = "", newKey = ""] = line
        .split("|")
        .map((cell) => cell.trim());
      const library = name.replace(/^\[(.*)\]\(.*\)$/, "$1");
      return { library, versions, afterExpiry, elsewhere, bound, newKey };
    });
}

export function rowOf(library: string): Row {
  const row = guideTable().find((one) => one.library === library);
  if (row === undefined) throw new Error(`the table of docs/guides/verify/README.md has no row for ${library}`);
  return row;
}
