import { basename } from "node:path";
import { LIMITS } from "../../domain/limits.ts";
import type { Policy } from "../../domain/policy-set.ts";
import type { PolicyFinding } from "../../ports/policy-engine.ts";

/** What a policy may be called, and so what a file of policies without ids may be called. */
const POLICY_ID = /^[A-Za-z0-9._-]{1,128}$/;
/** White space, a comment, a string, or any other single character: all that has to be told apart to find the end of a policy. */
const PIECE = /\s+|\/\/[^\n]*|"(?:[^"\\]|\\.)*"|./gsu;
/** A comment that stands behind a policy on its last line is about that policy. */
const COMMENT_BEHIND = /[ \t]*\/\/[^\n]*/y;
const ID_ANNOTATION = /^@\s*id\s*\(\s*"((?:[^"\\\n]|\\.)*)"\s*\)/;
const ANNOTATION = /^@\s*[A-Za-z_][A-Za-z0-9_]*\s*(?:\(\s*"(?:[^"\\\n]|\\.)*"\s*\))?/;
const BLANKS = /^(?:\s+|\/\/[^\n]*)*/;

/**
 * Tells the text of a file apart into policies. Whether they are valid is for the engine to say: of a text that is not
 * Cedar the parts are not policies either, and the engine will find that.
 *
 * @param file - as findings call it; a policy without an `@id` is called after it, `<file without .cedar>.<number>`.
 * @returns the policies, each with the comments in front of it; and what is wrong with their ids and sizes
 */
export function splitPolicies(
  text: string,
  file: string,
): { readonly policies: readonly Policy[]; readonly findings: readonly PolicyFinding[] } {
  const stem = basename(file, ".cedar");
  const findings: PolicyFinding[] = [];
  const policies: Policy[] = [];
  for (const part of partsOf(text)) {
    const ordinal = policies.length + 1;
    const said = idAnnotation(part.text);
    const policyId = said ?? `${stem}.${ordinal}`;
    const find = (message: string): void => void findings.push({ file, line: part.firstLine, column: 1, message });
    if (!POLICY_ID.test(policyId)) {
      const where = said === undefined ? "the file's name stands for the missing @id, and an id has" : "@id: expected";
      find(`${where} 1 to 128 characters A-Z, a-z, 0-9, '.', '_', '-'`);
      continue;
    }
    if (Buffer.byteLength(part.text) > LIMITS.policyBytesMax) {
      find(`policy ${policyId}: expected at most ${LIMITS.policyBytesMax} bytes, comments included`);
      continue;
    }
    policies.push({ policyId, file, line: part.line, text: part.text });
  }
  return { policies, findings };
}

type Part = {
  readonly text: string;
  /** Of the text, which begins with the comments. */
  readonly line: number;
  /** On which the policy itself begins. */
  readonly firstLine: number;
};

function partsOf(text: string): readonly Part[] {
  const parts: Part[] = [];
  let start = 0;
  let line = 1;
  let isBlank = true;
  const take = (end: number): void => {
    if (!isBlank) parts.push(partOf(text, start, end, line));
    line += linesIn(text.slice(start, end));
    start = end;
    isBlank = true;
  };
  const pieces = new RegExp(PIECE);
  for (let match = pieces.exec(text); match !== null; match = pieces.exec(text)) {
    const [piece] = match;
    isBlank &&= /^(?:\s|\/\/)/.test(piece);
    if (piece !== ";") continue;
    COMMENT_BEHIND.lastIndex = pieces.lastIndex;
    take(pieces.lastIndex + (COMMENT_BEHIND.exec(text)?.[0].length ?? 0));
    pieces.lastIndex = start;
  }
  take(text.length);
  return parts;
}

/**
 * A policy that begins in the middle of a line is moved to where it was, so that its columns are those of the file.
 *
 * @param line - at which `from` is.
 */
function partOf(text: string, from: number, end: number, line: number): Part {
  const whole = text.slice(from, end);
  const begin = from + (whole.length - whole.trimStart().length);
  const lineStart = text.lastIndexOf("\n", begin - 1) + 1;
  const part = " ".repeat(begin - lineStart) + text.slice(begin, end).trimEnd();
  const first = line + linesIn(text.slice(from, begin));
  return { text: part, line: first, firstLine: first + linesIn(BLANKS.exec(part)?.[0] ?? "") };
}

function linesIn(text: string): number {
  return text.split("\n").length - 1;
}

/** What the policy's `@id` says; `undefined` where it has none. */
function idAnnotation(text: string): string | undefined {
  let rest = text.replace(BLANKS, "");
  for (;;) {
    const id = ID_ANNOTATION.exec(rest)?.[1];
    if (id !== undefined) return id;
    const annotation = ANNOTATION.exec(rest)?.[0];
    if (annotation === undefined) return undefined;
    rest = rest.slice(annotation.length).replace(BLANKS, "");
  }
}
