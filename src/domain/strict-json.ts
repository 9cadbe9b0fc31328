/** Deeper than any header, set of claims or bundle; the tree is walked by recursion. */
const DEPTH_MAX = 16;

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Parses a JSON object so that no two readers can see different values in it: a member name that occurs twice (in any
 * spelling) is refused, as are bytes that are not UTF-8, a byte order mark, and `__proto__`.
 *
 * @returns the object, or `undefined` for anything else. Never throws.
 * @see RFC 7515 section 4, RFC 7519 section 4, RFC 8259 section 4
 */
export function parseStrictObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    return parseStrictText(utf8.decode(bytes));
  } catch {
    return undefined;
  }
}

/**
 * Does what `parseStrictObject` does, for a text instead of bytes.
 *
 * The platform's parser keeps the last of two equal names and tells nobody. But it accepts nothing except JSON, so that
 * each colon outside a string stands for one member: when fewer members came out than went in, a name was repeated.
 */
export function parseStrictText(text: string): JsonObject | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  return membersIn(value, 1) === colonsOutsideStrings(text) ? value : undefined;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Counts the members of all objects; NaN, which equals no count, for a value that must be refused. */
function membersIn(value: unknown, depth: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (depth > DEPTH_MAX) return Number.NaN;
  let members = 0;
  if (Array.isArray(value)) {
    for (const element of value) members += membersIn(element, depth + 1);
    return members;
  }
  const object = value as JsonObject;
  for (const name of Object.keys(object)) {
    if (name === "__proto__") return Number.NaN;
    members += 1 + membersIn(object[name], depth + 1);
  }
  return members;
}

function colonsOutsideStrings(text: string): number {
  let colons = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === BACKSLASH) index += 1;
    else if (code === QUOTE) inString = !inString;
    else if (code === COLON && !inString) colons += 1;
  }
  return colons;
}

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
