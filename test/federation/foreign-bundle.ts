import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { authority, type Changes, type Forged } from "../verify/certificate-forge.ts";

// What foreign trust domains publish.

export const FOREIGN = parseTrustDomain("foreign.example");

/** A P-256 key, of RFC 6979 appendix A.2.5. */
const POINT = {
  kty: "EC",
  crv: "P-256",
  x: "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
  y: "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
};

export const jwtKey = (kid: string) => ({ use: "jwt-svid", kid, ...POINT });
export const witKey = (kid: string) => ({ use: "wit-svid", kid, ...POINT });

export function x509Key(certificate: Pick<Forged, "der" | "publicKey">) {
  const x5c = [Buffer.from(certificate.der).toString("base64")];
  return { use: "x509-svid", ...certificate.publicKey.export({ format: "jwk" }), x5c };
}

/** An authority with these extensions in place of the ordinary ones. */
export const authorityWith = (extensions: NonNullable<Changes["extensions"]>, more: Changes = {}) =>
  authority({ extensions, ...more });

export type Published = {
  readonly keys?: readonly object[];
  readonly sequence?: number;
  readonly hintSeconds?: number;
};

/** The document as its endpoint sends it. */
export function published({ keys = [jwtKey("one")], sequence, hintSeconds }: Published = {}): string {
  return JSON.stringify({ keys, spiffe_sequence: sequence, spiffe_refresh_hint: hintSeconds });
}
