import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, errors as joseErrors } from "jose";
import { Provider } from "oidc-provider";
import type { TokenCheck } from "./cloud-stand-ins.ts";

export const CLIENT = { id: "broker:stint", secret: "it's a secret / that is + encoded" };
const GRANTS = {
  "token-exchange": "urn:ietf:params:oauth:grant-type:token-exchange",
  "jwt-bearer": "urn:ietf:params:oauth:grant-type:jwt-bearer",
} as const;
const TOKEN_SECONDS = 120;

export type AuthorizationServer = {
  readonly url: string;
  /** Who checks a step's token: known only once the broker is there. */
  trust(check: TokenCheck): void;
  /** Life that is left of a token, as the server itself tells it; `undefined` of one that is none any more. */
  lifeOf(token: string): Promise<number | undefined>;
  close(): Promise<void>;
};

/**
 * The certified server `oidc-provider`: its clients, tokens, revocation and introspection are its own; what it asks of the two
 * grants that it does not have is here.
 *
 * @param audience - of the tokens that it takes.
 */
export async function startAuthorizationServer(audience: string): Promise<AuthorizationServer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let check: TokenCheck = async () => {
    throw new TypeError("nobody is trusted yet");
  };
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const provider = new Provider(url, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: "RS256", use: "sig" }] },
    cookies: { keys: ["of the interactions that there are none of"] },
    clients: [
      {
        ...{ client_id: CLIENT.id, client_secret: CLIENT.secret, grant_types: Object.values(GRANTS) },
        ...{ redirect_uris: [], response_types: [], scope: "read" },
      },
    ],
    scopes: ["read"],
    ttl: { ClientCredentials: TOKEN_SECONDS },
    features: {
      devInteractions: { enabled: false },
      // Tokens of this kind are found, to be revoked, only where they may be issued.
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      introspection: { enabled: true },
    },
  });

  for (const [name, grantType] of Object.entries(GRANTS)) {
    const isExchange = name === "token-exchange";
    const parameters = isExchange
      ? ["subject_token", "subject_token_type", "requested_token_type", "audience", "scope"]
      : ["assertion", "scope"];
    provider.registerGrantType(
      grantType,
      async (context) => {
        const { client, params } = context.oidc;
        const isTyped = params["subject_token_type"] === "urn:ietf:params:oauth:token-type:jwt";
        try {
          if (isExchange && !isTyped) throw new joseErrors.JWTInvalid("of another type");
          await check(String(params[isExchange ? "subject_token" : "assertion"]), audience);
        } catch {
          context.status = 400;
          context.body = { error: "invalid_grant" };
          return;
        }
        const token = new provider.ClientCredentials({ client, scope: params["scope"] });
        context.body = {
          access_token: await token.save(),
          expires_in: TOKEN_SECONDS,
          token_type: "Bearer",
          ...(isExchange ? { issued_token_type: "urn:ietf:params:oauth:token-type:access_token" } : {}),
        };
      },
      parameters,
    );
  }
  server.on("request", provider.callback());

  return {
    url,
    trust(by) {
      check = by;
    },
    async lifeOf(token) {
      const encoded = (text: string) => new URLSearchParams({ text }).toString().slice("text=".length);
      const basic = Buffer.from(`${encoded(CLIENT.id)}:${encoded(CLIENT.secret)}`).toString("base64");
      const answer = await fetch(`${url}/token/introspection`, {
        method: "POST",
        headers: { authorization: `Basic ${basic}` },
        body: new URLSearchParams({ token }),
      });
      const { active, exp } = (await answer.json()) as { active: boolean; exp?: number };
      return active ? (exp ?? 0) - Math.floor(Date.now() / 1_000) : undefined;
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
