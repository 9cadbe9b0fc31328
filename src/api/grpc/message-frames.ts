/** A flag for compression, and the length. */
const HEADER_BYTES = 5;

/** A message as gRPC puts it on HTTP/2, uncompressed. @see gRPC over HTTP/2, Length-Prefixed-Message */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEADER_BYTES);
  return frame;
}

/** Finds the messages in what comes in, in whatever pieces. @param take - is given each message once it is whole. */
export function createUnframing(take: (message: Buffer) => void): (piece: Buffer) => void {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let wanted = HEADER_BYTES;

  return (piece) => {
    pieces.push(piece);
    bytes += piece.length;
    // Put together only once there is enough: a snapshot of many MiB comes in pieces of some KiB.
    while (bytes >= wanted) {
      const all = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
      const length = HEADER_BYTES + all.readUInt32BE(1);
      if (all.length >= length) take(all.subarray(HEADER_BYTES, length));
      const rest = all.length >= length ? all.subarray(length) : all;
      pieces = [rest];
      bytes = rest.length;
      wanted = all.length >= length ? HEADER_BYTES : length;
    }
  };
}
