import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConfirmationSchema } from "../../gen/stint/v1/credentials_pb.js";
import type { DpopKey } from "./dpop-key.ts";
import type { X509Svid } from "./x509-svid.ts";

/**
 * What a JWT-SVID is bound to, so that it is worth nothing without it: a key that proves itself with every request, or the
 * X.509-SVID of the connection over which it is presented.
 */
export type BoundTo = DpopKey | X509Svid;

/** @see RFC 8705 section 3.1, RFC 9449 section 6.1 */
export function confirmationMessageOf(boundTo: BoundTo): MessageInitShape<typeof ConfirmationSchema> {
  if ("thumbprint" in boundTo) {
    return { confirmation: { case: "jkt", value: new Uint8Array(Buffer.from(boundTo.thumbprint, "base64url")) } };
  }
  const digest = createHash("sha256")
    .update(boundTo.certificates[0] ?? "")
    .digest();
  return { confirmation: { case: "x5tS256", value: new Uint8Array(digest) } };
}

/** The HTTP authentication scheme of a token. A token that is bound to a certificate goes as any other. RFC 8705 section 3. */
export function schemeOf(boundTo: BoundTo | undefined): "Bearer" | "DPoP" {
  return boundTo !== undefined && "thumbprint" in boundTo ? "DPoP" : "Bearer";
}
