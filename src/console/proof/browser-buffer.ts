/** Encodings of text that checks of proofs use. */
type Encoding = "utf8" | "hex" | "base64" | "base64url";

const NOT_BASE64 = /[^A-Za-z0-9+/_-]/g;

/** Bytes that tell themselves as text. */
class Bytes extends Uint8Array<ArrayBuffer> {
  override toString(encoding: Encoding = "utf8"): string {
    switch (encoding) {
      case "utf8":
        return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this);
      case "hex":
        return Array.from(this, (byte) => byte.toString(16).padStart(2, "0")).join("");
      case "base64":
        return btoa(Array.from(this, (byte) => String.fromCharCode(byte)).join(""));
      case "base64url":
        return this.toString("base64").replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    }
  }

  readBigUInt64BE(): bigint {
    return new DataView(this.buffer, this.byteOffset, this.byteLength).getBigUint64(0);
  }
}

/** What `domain` and `verify` use of the Buffer of Node.js to check what a ledger gives out, for the browser. */
export const BrowserBuffer = {
  of: (...bytes: readonly number[]) => bytesFrom(bytes),

  from(source: string | ArrayLike<number> | ArrayBuffer, encodingOrOffset?: Encoding | number, length?: number): Bytes {
    if (typeof source === "string") {
      return bytesFrom(bytesOf(source, typeof encodingOrOffset === "string" ? encodingOrOffset : "utf8"));
    }
    if (source instanceof ArrayBuffer) return new Bytes(source, Number(encodingOrOffset ?? 0), length);
    return bytesFrom(source);
  },

  concat(parts: readonly Uint8Array[]): Bytes {
    const joined = new Bytes(new ArrayBuffer(parts.reduce((sum, { length }) => sum + length, 0)));
    let at = 0;
    for (const part of parts) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  },

  compare(one: Uint8Array, other: Uint8Array): number {
    const shorter = Math.min(one.length, other.length);
    for (let at = 0; at < shorter; at += 1) {
      const difference = (one[at] ?? 0) - (other[at] ?? 0);
      if (difference !== 0) return Math.sign(difference);
    }
    return Math.sign(one.length - other.length);
  },

  byteLength: (text: string) => new TextEncoder().encode(text).length,
};

function bytesFrom(source: ArrayLike<number>): Bytes {
  const { buffer } = Uint8Array.from(source);
  return new Bytes(buffer);
}

/** As lenient as Node.js: characters that are none of the encoding's are passed over, or end the text. */
function bytesOf(text: string, encoding: Encoding): Uint8Array {
  if (encoding === "utf8") return new TextEncoder().encode(text);
  if (encoding === "hex") {
    const [digits = ""] = /^(?:[0-9a-f]{2})*/i.exec(text) ?? [];
    return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  }
  const [upToPadding = ""] = text.split("=");
  const plain = upToPadding.replace(NOT_BASE64, "").replaceAll("-", "+").replaceAll("_", "/");
  const whole = plain.length % 4 === 1 ? plain.slice(0, -1) : plain;
  return Uint8Array.from(atob(whole), (character) => character.charCodeAt(0));
}
