import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

export type OidcIssuer = Awaited<ReturnType<typeof startOidcIssuer>>;

/** An OIDC issuer with one key, as a CI provider or a login is one. */
export async function startOidcIssuer() {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: "one", alg: "RS256", use: "sig" }] };
  const server = createServer((request, response) => {
    const answer = request.url === "/jwks" ? keys : { issuer: url, jwks_uri: `${url}/jwks` };
    response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    /** A token of now, for five minutes; another with each call. */
    token: (claims: JWTPayload, audience: string) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: "RS256", kid: "one", typ: "JWT" })
        .setIssuer(url)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime("5m")
        .setJti(crypto.randomUUID())
        .sign(privateKey),
    close: () => server.close(),
  };
}
