// A verifier that hears of revocations over NATS, for the documentation; run by nats-example.test.ts.
import { connect, usernamePasswordAuthenticator } from "@nats-io/transport-node";
import { createVerifier } from "stint-sdk/verifier";

type Place = { readonly servers: string[]; readonly tls: object | null; readonly password: string };

export async function verifierOverNats(resource: string, issuer: string, { servers, tls, password }: Place) {
  // #region create
  const connection = await connect({
    servers,
    tls, // {}: a server without TLS is refused
    authenticator: usernamePasswordAuthenticator("verifier", password),
    maxReconnectAttempts: -1, // it is ours to come back, however long the servers are away
    pingInterval: 5_000,
  });
  const verifier = createVerifier({
    audiences: [resource],
    revocation: { from: "nats", issuer, trustDomain: "example.org", connection },
  });
  await verifier.ready();
  // #endregion
  return { verifier, connection };
}
