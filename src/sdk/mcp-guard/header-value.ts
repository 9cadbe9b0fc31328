const PREFIX = "=?base64?";
const SUFFIX = "?=";
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * What a header of MCP says that mirrors a part of the body: as it is, or in the form for what no header can hold.
 *
 * @returns `undefined` where that form holds no Base64, or no UTF-8.
 * @see MCP Streamable HTTP 2026-07-28, value encoding (SEP-2243)
 */
export function decodeHeaderValue(value: string): string | undefined {
  if (!value.startsWith(PREFIX) || !value.endsWith(SUFFIX)) return value;
  const encoded = value.slice(PREFIX.length, -SUFFIX.length);
  // Where the two share a question mark, readers differ.
  if (value.length < PREFIX.length + SUFFIX.length || !BASE64.test(encoded)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(encoded, "base64"));
  } catch {
    return undefined;
  }
}

/** The other way round. */
export function encodeHeaderValue(text: string): string {
  const isPlain = /^[\x21-\x7e]+$/.test(text) && !text.startsWith(PREFIX);
  return isPlain ? text : `${PREFIX}${Buffer.from(text).toString("base64")}${SUFFIX}`;
}
