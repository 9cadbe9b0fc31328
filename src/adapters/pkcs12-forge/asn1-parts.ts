import forge from "node-forge";

const { asn1 } = forge;
export type Asn1 = forge.asn1.Asn1;

/** forge has bytes as text of characters up to 255. */
export function binaryOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

export function bytesOf(binary: string): Buffer {
  return Buffer.from(binary, "latin1");
}

export function sequence(...parts: Asn1[]): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, parts);
}

export function set(...parts: Asn1[]): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SET, true, parts);
}

export function explicit(part: Asn1): Asn1 {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, 0, true, [part]);
}

export function oid(dotted: string): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.OID, false, asn1.oidToDer(dotted).getBytes());
}

export function octets(binary: string): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.OCTETSTRING, false, binary);
}

export function integer(value: number): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.INTEGER, false, asn1.integerToDer(value).getBytes());
}

/** forge writes two bytes for each character of this kind by itself. */
export function bmpString(text: string): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.BMPSTRING, false, text);
}

export function none(): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.NULL, false, "");
}

export function derOf(part: Asn1): string {
  return asn1.toDer(part).getBytes();
}
