/** Compresses in the zlib format (RFC 1950), off the event loop. */
export type Deflate = (bytes: Uint8Array) => Promise<Uint8Array>;
