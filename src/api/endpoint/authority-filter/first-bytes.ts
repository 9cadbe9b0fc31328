/** What an HTTP/2 client says before all else. RFC 9113, section 3.4. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
export const FRAME_HEADER_BYTES = 9;

const SETTINGS = 4;
const SETTING_BYTES = 6;
/** A client sends about five settings. */
const SETTINGS_MAX = 32;
const MAX_CONCURRENT_STREAMS = 3;
/** "GRPC_ALLOW_TRUE_BINARY_METADATA", of gRPC's C core alone, which percent-encodes the path. */
const OF_C_CORE = 0xfe03;

/**
 * How a connection is to be served, by the first bytes of its client.
 *
 * `filtered`, since its `:authority` may be the path of the socket: grpc-java sends that, after it has heard from the server, and its
 * settings give it away before, for it lets the server open no streams.
 *
 * @param bytes - all that the client sent up to now
 * @returns a number: how many bytes more are wanted, and never more than to the end of the client's first frame.
 */
export function howToServe(bytes: Buffer): "as it is" | "filtered" | number {
  const prefaceBytes = Math.min(bytes.length, PREFACE.length);
  if (!bytes.subarray(0, prefaceBytes).equals(PREFACE.subarray(0, prefaceBytes))) return "as it is";
  const frame = bytes.subarray(PREFACE.length);
  if (frame.length < FRAME_HEADER_BYTES) return PREFACE.length + FRAME_HEADER_BYTES - bytes.length;
  const length = frame.readUIntBE(0, 3);
  if (frame[3] !== SETTINGS || length % SETTING_BYTES !== 0 || length > SETTINGS_MAX * SETTING_BYTES) return "filtered";
  const end = FRAME_HEADER_BYTES + length;
  if (frame.length < end) return end - frame.length;
  const settings = new Map<number, number>();
  for (let at = FRAME_HEADER_BYTES; at < end; at += SETTING_BYTES) {
    settings.set(frame.readUInt16BE(at), frame.readUInt32BE(at + 2));
  }
  return settings.get(MAX_CONCURRENT_STREAMS) === 0 && !settings.has(OF_C_CORE) ? "filtered" : "as it is";
}
