/** Makes keys for those who bring none of their own: the broker itself, and clients of the SPIFFE Workload API. */
export type KeyPairs = {
  /** A new P-256 key, known to nobody else. */
  generate(): Promise<KeyPair>;
};

export type KeyPair = {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** PKCS#8, DER, unencrypted: for the party that the key was made for, and never for a log or the ledger. */
  readonly privateKey: Uint8Array;
  /** The private key is held where its party is: the public key stands in its place. */
  readonly isHeldElsewhere?: true;
};
