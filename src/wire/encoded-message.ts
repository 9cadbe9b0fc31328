/** A response whose bytes were made before, once for many streams: they are sent as they are. */
export class EncodedMessage {
  readonly bytes: Buffer;

  /** @param bytes - of the method's output message. */
  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}
