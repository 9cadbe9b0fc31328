import { createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { calculateJwkThumbprint, type JWK } from "jose";
import { expect, test } from "vitest";
import { sha256Of, thumbprintOf } from "../../src/verify/proof-key.ts";

test("the thumbprint of the key of RFC 7638 section 3.1 is that of RFC 7638", () => {
  const n =
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64" +
    "tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91C" +
    "bOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
  const key = createPublicKey({ key: { kty: "RSA", n, e: "AQAB" }, format: "jwk" });
  expect(thumbprintOf(key)).toBe("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
});

test.for(["P-256", "P-384", "P-521"])("the thumbprint of a key on %s is what jose makes of it", async (namedCurve) => {
  for (let round = 0; round < 20; round += 1) {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve });
    const jwk = publicKey.export({ format: "jwk" }) as JWK;
    expect(thumbprintOf(publicKey)).toBe(await calculateJwkThumbprint(jwk, "sha256"));
  }
});

test("the thumbprint of the certificate of RFC 8705 appendix A is that of RFC 8705", () => {
  const pem = `-----BEGIN CERTIFICATE-----
MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx
ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ
/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID
SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV
bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=
-----END CERTIFICATE-----`;
  expect(sha256Of(new X509Certificate(pem).raw)).toBe("A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0");
});
