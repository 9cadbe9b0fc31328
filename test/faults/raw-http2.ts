/** Types of frames, RFC 9113 section 6. */
export const HTTP2 = { data: 0, headers: 1, settings: 4, ping: 6, windowUpdate: 8, continuation: 9 } as const;
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

/** A request for `/`, of which the body is still to come: three fields of HPACK's static table. */
export function request(stream: number): Buffer {
  return frame(HTTP2.headers, END_HEADERS, stream, Buffer.from([0x83, 0x86, 0x84]));
}

/** Room for so many bytes more. */
export function windowUpdate(stream: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(HTTP2.windowUpdate, 0, stream, payload);
}

/** What a client says first. */
export const GREETING = [PREFACE, frame(HTTP2.settings, 0, 0, Buffer.alloc(0))] as const;
