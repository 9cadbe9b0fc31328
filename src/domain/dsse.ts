/** A DSSE envelope, as its JSON has it. */
export type Envelope = {
  /** Base64. */
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
};

/**
 * What is signed of a payload: its type and its bytes, each behind its length, so that no other payload of another type has
 * the same.
 *
 * @see https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md
 */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const typeBytes = Buffer.byteLength(payloadType);
  return Buffer.concat([Buffer.from(`DSSEv1 ${typeBytes} ${payloadType} ${payload.length} `), payload]);
}

/** @param sign - signs bytes, and is called once. */
export function envelopeOf(
  payloadType: string,
  payload: Uint8Array,
  keyid: string,
  sign: (bytes: Uint8Array) => Uint8Array,
): Envelope {
  const sig = Buffer.from(sign(preAuthenticationEncoding(payloadType, payload))).toString("base64");
  return { payload: Buffer.from(payload).toString("base64"), payloadType, signatures: [{ keyid, sig }] };
}
