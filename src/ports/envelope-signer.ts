/** Keeps the key that signs audit records: Ed25519, of its own, and good for nothing else. */
export type EnvelopeSigner = {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** SHA-256 of the public key, hexadecimal: a hint for whoever has several. */
  readonly keyId: string;
  /** @param encoded - a pre-authentication encoding of DSSE. */
  sign(encoded: Uint8Array): Uint8Array;
};
