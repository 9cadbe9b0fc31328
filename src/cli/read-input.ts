import type { Readable } from "node:stream";
import { usageFailure } from "./failure.ts";

/**
 * All that a stream holds.
 *
 * @param from - the stream's name in a message, for whoever gave the stream.
 * @throws Failure when the stream holds more than `bytesMax`; whatever reading fails with
 */
export async function readInput(input: Readable, bytesMax: number, from: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk as Uint8Array);
    length += bytes.length;
    if (length > bytesMax) throw usageFailure(`${from}: at most ${bytesMax} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
