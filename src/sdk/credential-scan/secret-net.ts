import { percentDecoded, unescaped } from "./encoded-texts.ts";

/** What is shorter is found in answers that have nothing to do with it. */
export const SECRET_CHARACTERS_MIN = 8;

/** Finds secrets in what a server answers, as they are and in the encodings that tools commonly put out. */
export type SecretNet = {
  /** Whether one of them is in this text; in a JSON text also behind its escapes. */
  holds(text: string): boolean;
  /** The same over the pieces of one text: a secret may lie across two of them. */
  piecewise(): (piece: string) => boolean;
};

/**
 * A net and no promise: what is encrypted, spelled out or told in two answers passes.
 *
 * @param secrets - of `SECRET_CHARACTERS_MIN` characters and more.
 */
export function createSecretNet(secrets: readonly string[]): SecretNet {
  const forms = [...new Set(secrets.flatMap(formsOf))];
  const longest = Math.max(0, ...forms.map(({ length }) => length));
  const isIn = (text: string) => {
    if (forms.some((form) => text.includes(form))) return true;
    // Hexadecimal digits are written in either case.
    const lower = text.toLowerCase();
    return forms.some((form) => HEX.test(form) && lower.includes(form));
  };
  return {
    holds: (text) => readingsOf(text).some(isIn),
    piecewise() {
      let end = "";
      return (piece) => {
        const text = end + piece;
        end = longest === 0 ? "" : text.slice(-(longest - 1));
        return isIn(text);
      };
    },
  };
}

const HEX = /^[0-9a-f]+$/;

function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    bytes.toString("hex"),
    ...[0, 1, 2].flatMap((before) => base64Forms(bytes, before)),
  ];
}

/**
 * The characters of Base64 that this secret alone decides, where so many bytes of a group of three stand before it: a header
 * such as `user:password` is encoded as one.
 */
function base64Forms(bytes: Buffer, before: number): readonly string[] {
  const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64url");
  const first = Math.ceil((before * 4) / 3);
  const whole = Math.floor(((before + bytes.length) * 8) / 6);
  const base64url = encoded.slice(first, whole);
  return [base64url, base64url.replaceAll("-", "+").replaceAll("_", "/")];
}

/** A text as it stands, and as it reads where its escapes of JSON, of URLs and of forms are taken for what they stand for. */
function readingsOf(text: string): readonly string[] {
  const plain = text.includes("\\") ? [text, unescaped(text)] : [text];
  return plain.flatMap((one) => {
    if (!/[%+]/.test(one)) return [one];
    return [one, percentDecoded(one), percentDecoded(one.replaceAll("+", " "))];
  });
}
