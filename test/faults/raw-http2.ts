/** Types of frames, RFC 9113 section 6. */
export const HTTP2 = { data: 0, headers: 1, settings: 4, continuation: 9 } as const;
export const END_HEADERS = 4;
export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** One frame of HTTP/2, as it goes out. */
export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** What a client says first. */
export const GREETING = [PREFACE, frame(HTTP2.settings, 0, 0, Buffer.alloc(0))] as const;
