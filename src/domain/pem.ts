import { bytesOfBase64 } from "./base64url.ts";

const BEGIN = "-----BEGIN CERTIFICATE-----";
const END = "-----END CERTIFICATE-----";

/**
 * The certificates in a text in PEM, DER, in their order; what stands around them is passed over. Whether they are certificates is for
 * whoever reads them: a block whose base64 is damaged gives no bytes, which nobody takes for one, rather than being left out.
 *
 * @see RFC 7468 section 5
 */
export function certificatesInPem(text: string): readonly Uint8Array[] {
  const [, ...begun] = text.split(BEGIN);
  return begun.flatMap((rest) => {
    const end = rest.indexOf(END);
    return end < 0 ? [] : [bytesOfBase64(rest.slice(0, end).replace(/\s/g, "")) ?? new Uint8Array()];
  });
}

/**
 * A block of PEM, with a line feed at its end.
 *
 * @see RFC 7468 sections 5, 6, 10 and 13
 */
export function pemOf(label: "CERTIFICATE" | "PUBLIC KEY" | "PRIVATE KEY" | "X509 CRL", der: Uint8Array): string {
  const lines =
    Buffer.from(der.buffer, der.byteOffset, der.byteLength)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

export function certificatePem(der: Uint8Array): string {
  return pemOf("CERTIFICATE", der);
}
