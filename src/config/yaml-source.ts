import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from "yaml";
import { ConfigError, formatKey, type Place } from "./finding.ts";

/** A YAML file as plain data, with the place of each part of it. */
export type YamlSource = {
  readonly value: unknown;
  /** The place of a key's value; for a key without value, that of the nearest part around it. */
  placeOf(path: readonly PropertyKey[]): Place;
  /** The place of a key itself. */
  placeOfKey(path: readonly PropertyKey[]): Place;
};

/** Aliases are followed, so a few lines could stand for more data than there is memory. */
const NODES_MAX = 100_000;
/** The deepest part with a meaning is a list within a ceiling within an entry. */
const DEPTH_MAX = 16;
/** A broken file yields an error for nearly every character that follows; the first ones tell. */
const SYNTAX_FINDINGS_MAX = 10;

/**
 * Reads one YAML 1.2 document of mappings with text keys, lists and scalars; no tags of its own, no second document, no
 * key twice.
 *
 * @param file - how findings call it.
 * @throws ConfigError
 */
export function readYaml(text: string, file: string): YamlSource {
  const lines = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { kind: "file", file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const refuse = (offset: number, key: string, message: string): never => {
    throw new ConfigError([{ place: placeAt(offset), key, message }]);
  };
  const document = parsed(text, lines, () => refuse(0, "", "nested too deep"));
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    throw new ConfigError(
      problems.slice(0, SYNTAX_FINDINGS_MAX).map((problem) => ({
        place: placeAt(problem.pos[0]),
        key: "",
        message: SYNTAX[problem.code] ?? "not valid YAML",
      })),
    );
  }
  // A file can ask to be read as YAML 1.1, where `no` is false and 0660 is octal: what was checked would not be what is meant.
  if (document.directives.yaml.version !== "1.2") refuse(0, "", "expected YAML 1.2, not another version");

  let nodes = 0;
  const plain = (node: unknown, path: readonly PropertyKey[], depth: number): unknown => {
    const target = resolved(node, document);
    const offset = startOf(node) ?? 0;
    nodes += 1;
    if (nodes > NODES_MAX) refuse(offset, "", `more than ${NODES_MAX} values, those that aliases stand for included`);
    if (depth > DEPTH_MAX) refuse(offset, "", "nested too deep, or an alias within what it stands for");
    if (target === undefined && isAlias(node)) return refuse(offset, formatKey(path), "an alias of nothing before it");
    if (target === null || target === undefined) return null;
    if (isScalar(target)) return target.value;
    if (isSeq(target)) return target.items.map((item, index) => plain(item, [...path, index], depth + 1));
    if (!isMap(target)) return refuse(offset, formatKey(path), "expected text, a number, a list or a mapping");
    // fromEntries defines members: a key `__proto__` becomes a member like any other, and is refused as unknown.
    return Object.fromEntries(
      target.items.map(({ key, value }) => {
        const name = isScalar(key) ? key.value : undefined;
        if (typeof name !== "string")
          return refuse(startOf(key) ?? offset, formatKey(path), "expected a key that is text");
        return [name, plain(value, [...path, name], depth + 1)];
      }),
    );
  };
  const value = plain(document.contents, [], 0);
  return {
    value,
    placeOf: (path) => placeAt(offsetsOf(document, path).value),
    placeOfKey: (path) => placeAt(offsetsOf(document, path).key),
  };
}

const SYNTAX: Readonly<Partial<Record<string, string>>> = {
  DUPLICATE_KEY: "the same key a second time",
  MULTIPLE_DOCS: "expected one document, here begins another",
  TAB_AS_INDENT: "expected indentation by spaces, not by tabs",
  TAG_RESOLVE_FAILED: "expected no tag",
};

function parsed(text: string, lines: LineCounter, onOverflow: () => never): Document.Parsed {
  try {
    return parseDocument(text, {
      lineCounter: lines,
      version: "1.2",
      schema: "core",
      strict: true,
      uniqueKeys: true,
      prettyErrors: false,
      // Nothing is printed: every error and warning becomes a finding. "silent" would leave out the error of a second
      // document.
      logLevel: "error",
    });
  } catch (thrown) {
    if (thrown instanceof RangeError) return onOverflow();
    throw thrown;
  }
}

function resolved(node: unknown, document: Document.Parsed): unknown {
  return isAlias(node) ? (node as Alias).resolve(document) : node;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function offsetsOf(
  document: Document.Parsed,
  path: readonly PropertyKey[],
): { readonly key: number; readonly value: number } {
  let found = { key: 0, value: startOf(document.contents) ?? 0 };
  let node: unknown = document.contents;
  for (const part of path) {
    const container = resolved(node, document);
    if (isMap(container)) {
      const pair = container.items.find(({ key }) => isScalar(key) && key.value === part);
      if (pair === undefined) return found;
      const key = startOf(pair.key) ?? found.value;
      found = { key, value: startOf(pair.value) ?? key };
      node = pair.value;
    } else if (isSeq(container) && typeof part === "number" && part < container.items.length) {
      node = container.items[part];
      const start = startOf(node) ?? found.value;
      found = { key: start, value: start };
    } else {
      return found;
    }
  }
  return found;
}
