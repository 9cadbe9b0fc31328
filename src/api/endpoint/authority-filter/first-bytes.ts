/** What an HTTP/2 client says before all else. RFC 9113, section 3.4. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
export const FRAME_HEADER_BYTES = 9;

const SETTINGS = 4;
const PING = 6;
const WINDOW_UPDATE = 8;
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
 * `filtered` also, when a call may be among the bytes. What was read and put back reaches Node.js' HTTP/2 all at once: a call that
 * is taken back in the same bytes is given to grpc-js when its stream is destroyed, and grpc-js throws. By way of the filter the
 * bytes are read from the kernel again.
 *
 * @param bytes - all that the client sent up to now; more are wanted up to the end of its first frame.
 */
export function howToServe(bytes: Buffer): "as it is" | "filtered" | "more" {
  const prefaceBytes = Math.min(bytes.length, PREFACE.length);
  if (!bytes.subarray(0, prefaceBytes).equals(PREFACE.subarray(0, prefaceBytes))) return "as it is";
  const frames = bytes.subarray(PREFACE.length);
  if (frames.length < FRAME_HEADER_BYTES) return "more";
  const length = frames.readUIntBE(0, 3);
  if (frames[3] !== SETTINGS || length % SETTING_BYTES !== 0 || length > SETTINGS_MAX * SETTING_BYTES)
    return "filtered";
  const end = FRAME_HEADER_BYTES + length;
  if (frames.length < end) return "more";
  const settings = new Map<number, number>();
  for (let at = FRAME_HEADER_BYTES; at < end; at += SETTING_BYTES) {
    settings.set(frames.readUInt16BE(at), frames.readUInt32BE(at + 2));
  }
  if (settings.get(MAX_CONCURRENT_STREAMS) === 0 && !settings.has(OF_C_CORE)) return "filtered";
  return isWithoutStreams(frames.subarray(end)) ? "as it is" : "filtered";
}

/** Whether frames, the last of which may be cut off, are such as open no stream. */
function isWithoutStreams(frames: Buffer): boolean {
  for (let at = 0; at < frames.length; at += FRAME_HEADER_BYTES + frames.readUIntBE(at, 3)) {
    if (frames.length - at < FRAME_HEADER_BYTES) return true;
    const type = frames[at + 3];
    if (type !== SETTINGS && type !== PING && type !== WINDOW_UPDATE) return false;
  }
  return true;
}
