/** What an HTTP/2 client says before all else. RFC 9113, section 3.4. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
export const FRAME_HEADER_BYTES = 9;

const SETTINGS = 4;
const SETTING_BYTES = 6;
/** A client sends about five settings. What sends more than these is given on as it is. */
const SETTINGS_MAX = 32;
const MAX_CONCURRENT_STREAMS = 3;
/** "GRPC_ALLOW_TRUE_BINARY_METADATA", of gRPC's C core alone, which percent-encodes the path. */
const OF_C_CORE = 0xfe03;

/**
 * Whether a connection's `:authority` may be the path of the socket, by the first bytes of its client. grpc-java sends the path,
 * after it has heard from the server; before that its settings give it away: it lets the server open no streams.
 *
 * @param bytes - all that the client sent up to now; more are wanted up to the end of its first frame.
 */
export function mayNamePath(bytes: Buffer): boolean | "more" {
  const prefaceBytes = Math.min(bytes.length, PREFACE.length);
  if (!bytes.subarray(0, prefaceBytes).equals(PREFACE.subarray(0, prefaceBytes))) return false;
  const frame = bytes.subarray(PREFACE.length);
  if (frame.length < FRAME_HEADER_BYTES) return "more";
  const length = frame.readUIntBE(0, 3);
  if (frame[3] !== SETTINGS || length % SETTING_BYTES !== 0 || length > SETTINGS_MAX * SETTING_BYTES) return false;
  const end = FRAME_HEADER_BYTES + length;
  if (frame.length < end) return "more";
  const settings = new Map<number, number>();
  for (let at = FRAME_HEADER_BYTES; at < end; at += SETTING_BYTES) {
    settings.set(frame.readUInt16BE(at), frame.readUInt32BE(at + 2));
  }
  return settings.get(MAX_CONCURRENT_STREAMS) === 0 && !settings.has(OF_C_CORE);
}
