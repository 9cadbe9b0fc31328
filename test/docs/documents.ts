import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");

export type CodeBlock = {
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** `path` or `path#region`, of the comment in front of it: `<!-- code: test/docs/stint.yaml -->`. */
  readonly source: string | undefined;
};

/** Every document that people read, by its path from the root. */
export function documents(): readonly string[] {
  return [...globSync("*.md", { cwd: root }), ...globSync("{deploy,docs}/**/*.md", { cwd: root })].sort();
}

export function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** The fenced blocks of a document. */
export function codeBlocksOf(path: string): readonly CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { readonly line: number; readonly language: string; readonly source: string | undefined } | undefined;
  let source: string | undefined;
  let lines: string[] = [];
  for (const [index, line] of read(path).split("\n").entries()) {
    const fence = /^```(\S*)/.exec(line);
    if (open === undefined && fence !== null) {
      open = { line: index + 1, language: fence[1] ?? "", source };
      lines = [];
    } else if (open !== undefined && line === "```") {
      blocks.push({ ...open, text: lines.join("\n") });
      open = undefined;
    } else if (open !== undefined) lines.push(line);
    source = /^<!-- code: (\S+) -->$/.exec(line)?.[1];
  }
  return blocks;
}

/** What `path` or `path#region` names, without the indentation that all of its lines have. */
export function sourceText(source: string): string {
  const [path = "", region] = source.split("#");
  const all = read(path).trimEnd().split("\n");
  if (region === undefined) return all.join("\n");
  const begin = all.findIndex((line) => new RegExp(`^\\s*(//|#) ?#?region ${region}$`).test(line));
  const end = all.findIndex((line, index) => index > begin && /^\s*(\/\/|#) ?#?endregion$/.test(line));
  if (begin < 0 || end < 0) throw new Error(`${path} has no region ${region}`);
  const lines = all.slice(begin + 1, end);
  const indents = lines.filter((line) => line !== "").map((line) => line.length - line.trimStart().length);
  return lines
    .map((line) => line.slice(Math.min(...indents)))
    .join("\n")
    .trim();
}

/** Targets of links that lead to files, without their anchors; from the root. */
export function linkedFiles(path: string): readonly string[] {
  const links = [...read(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? "");
  return links
    .filter((target) => !/^[a-z]+:|^#/.test(target))
    .map((target) => join(path, "..", target.replace(/#.*$/, "")));
}
