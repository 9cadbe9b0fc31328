import { promisify } from "node:util";
import { constants, deflate } from "node:zlib";
import type { Deflate } from "../../ports/deflate.ts";

const compress = promisify<Uint8Array, { readonly level: number }, Buffer>(deflate);

/** zlib at its best, in a thread of Node's pool: what is compressed is sent to many. */
export function systemDeflate(): Deflate {
  return (bytes) => compress(bytes, { level: constants.Z_BEST_COMPRESSION });
}
