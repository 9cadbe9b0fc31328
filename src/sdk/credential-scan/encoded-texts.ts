import { gunzipSync, inflateSync } from "node:zlib";

/** What a text or bytes may be, read otherwise. */
export type Reading = { readonly how: string; readonly content: string | Uint8Array };

/** What is shorter holds no token. */
const ENCODED_CHARACTERS_MIN = 40;
const BASE64_RUN = new RegExp(`[A-Za-z0-9+/_-]{${ENCODED_CHARACTERS_MIN},}={0,2}`, "g");
const HEX_RUN = new RegExp(`[0-9a-fA-F]{${2 * ENCODED_CHARACTERS_MIN},}`, "g");
const INFLATED_BYTES_MAX = 16_777_216;
const GZIP = [0x1f, 0x8b];
const ZLIB = 0x78;

/** How a text reads once an encoding is taken from the whole of it, or from a part. */
export function readingsOfText(text: string): readonly Reading[] {
  const readings: Reading[] = [];
  if (text.includes("\\")) readings.push({ how: "JSON string", content: unescaped(text) });
  if (/%[0-9a-f]{2}/i.test(text)) readings.push({ how: "URL", content: percentDecoded(text) });
  if (/%[0-9a-f]{2}/i.test(text) && text.includes("+")) {
    readings.push({ how: "form", content: percentDecoded(text.replaceAll("+", " ")) });
  }
  for (const [run] of text.matchAll(HEX_RUN)) readings.push({ how: "hex", content: Buffer.from(run, "hex") });
  for (const [run] of text.matchAll(BASE64_RUN)) {
    // What stands before it may be of the same characters, such as a path.
    for (const from of [0, 1, 2, 3]) readings.push({ how: "Base64", content: Buffer.from(run.slice(from), "base64") });
  }
  return readings;
}

/** What compressed bytes hold. Never throws. */
export function readingsOfBytes(bytes: Uint8Array): readonly Reading[] {
  try {
    const options = { maxOutputLength: INFLATED_BYTES_MAX };
    if (GZIP.every((byte, index) => bytes[index] === byte))
      return [{ how: "gzip", content: gunzipSync(bytes, options) }];
    if (bytes[0] === ZLIB) return [{ how: "zlib", content: inflateSync(bytes, options) }];
  } catch {
    // It only begins like that.
  }
  return [];
}

/** Whether bytes may be a text: what was decoded in vain is not decoded further. */
export function beginsAsText(bytes: Uint8Array): boolean {
  try {
    const begin = bytes.subarray(0, TEXT_BYTES_LOOKED_AT);
    return !CONTROL.test(new TextDecoder("utf-8", { fatal: true }).decode(begin, { stream: true }));
  } catch {
    return false;
  }
}

const TEXT_BYTES_LOOKED_AT = 64;
const CONTROL = /[^\P{Cc}\t\n\r]/u;

/** What is no escape stays as it is. */
export function unescaped(text: string): string {
  return text.replaceAll(/\\(?:u([0-9a-fA-F]{4})|(["\\/]))/g, (_, code: string | undefined, plain: string) =>
    code === undefined ? plain : String.fromCharCode(Number.parseInt(code, 16)),
  );
}

export function percentDecoded(text: string): string {
  return text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll("%", ""), "hex").toString());
}
