import { inflateSync } from "node:zlib";

/** What WinAnsiEncoding has at 0x80 to 0x9F. */
const WINDOWS_1252 = new TextDecoder("windows-1252");

/** The streams of a PDF that are compressed by Flate, unpacked, with the dictionary of each. */
export function streamsOf(pdf: Uint8Array): readonly { readonly dictionary: string; readonly bytes: Buffer }[] {
  const text = Buffer.from(pdf).toString("latin1");
  return [...text.matchAll(/^\d+ 0 obj\n/gm)].flatMap(({ index }) => {
    const begin = text.indexOf("stream\n", index) + "stream\n".length;
    const dictionary = text.slice(index, begin);
    const [, length] = /\/Length (\d+)/.exec(dictionary) ?? [];
    if (length === undefined || dictionary.includes("endobj") || !dictionary.includes("/FlateDecode")) return [];
    return [{ dictionary, bytes: inflateSync(Buffer.from(pdf).subarray(begin, begin + Number(length))) }];
  });
}

/** The text that the pages show, in the order in which it is drawn, with a line feed behind each piece. */
export function textOfPdf(pdf: Uint8Array): string {
  const pages = streamsOf(pdf).filter(({ bytes }) => bytes.includes(" Tf"));
  return pages
    .flatMap(({ bytes }) => [...bytes.toString("latin1").matchAll(/\[([^\]]*)\] TJ/g)])
    .map(([, drawn = ""]) => [...drawn.matchAll(/<([0-9a-f]*)>/g)].map(([, hex = ""]) => decoded(hex)).join(""))
    .join("\n");
}

function decoded(hex: string): string {
  return WINDOWS_1252.decode(Buffer.from(hex, "hex"));
}
