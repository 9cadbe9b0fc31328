import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { bitStringOf, contextConstructed, integerOf, NULL, oidOf, sequenceOf } from "../../src/domain/der.ts";

export type KeyPair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

export const p256 = (): KeyPair => generateKeyPairSync("ec", { namedCurve: "P-256" });

export const ALGORITHM = {
  ecdsaSha256: sequenceOf(oidOf("1.2.840.10045.4.3.2")),
  rsaSha256: sequenceOf(oidOf("1.2.840.113549.1.1.11"), NULL),
};

/** `[0]`, empty. */
export const NO_ATTRIBUTES = Uint8Array.of(contextConstructed(0), 0);

/** A request's parts, each in DER; what is not given is as it should be. */
export type RequestParts = {
  readonly version?: Uint8Array;
  readonly subject?: Uint8Array;
  readonly publicKey?: Uint8Array;
  readonly attributes?: Uint8Array;
  /** Behind the attributes. */
  readonly more?: Uint8Array;
  readonly algorithm?: Uint8Array;
  /** The BIT STRING, whole. */
  readonly signature?: Uint8Array;
  readonly hash?: string;
};

/** A PKCS#10 request signed by this key, with some of its parts replaced before it is signed. */
export function certificationRequest(key: KeyPair, parts: RequestParts = {}): Uint8Array {
  const signedPart = sequenceOf(
    parts.version ?? integerOf(Uint8Array.of(0)),
    parts.subject ?? sequenceOf(),
    parts.publicKey ?? key.publicKey.export({ type: "spki", format: "der" }),
    parts.attributes ?? NO_ATTRIBUTES,
    parts.more ?? new Uint8Array(),
  );
  const isRsa = key.privateKey.asymmetricKeyType === "rsa";
  return sequenceOf(
    signedPart,
    parts.algorithm ?? (isRsa ? ALGORITHM.rsaSha256 : ALGORITHM.ecdsaSha256),
    parts.signature ?? bitStringOf(sign(parts.hash ?? "sha256", signedPart, key.privateKey)),
  );
}
