import { jwtEs256Format } from "../adapters/jwt-es256/jwt-es256.ts";
import { txnTokenEs256Format } from "../adapters/jwt-es256/txn-token-es256.ts";
import { witEs256Format } from "../adapters/jwt-es256/wit-es256.ts";
import { x509DerFormat } from "../adapters/x509-der/x509-der.ts";

/** How each kind of credential is written. */
export function svidFormats(issuer: string) {
  return {
    "x509-svid": x509DerFormat(),
    "jwt-svid": jwtEs256Format(issuer),
    "wit-svid": witEs256Format(),
    "txn-token": txnTokenEs256Format(issuer),
  };
}
