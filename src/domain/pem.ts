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
