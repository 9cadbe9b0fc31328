import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Provider } from "oidc-provider";
import { onTestFinished } from "vitest";
import { addSeconds, type UnixSeconds } from "../../../src/domain/time.ts";
import { altNames, authority, dns, leafOf, pemOf } from "../../verify/certificate-forge.ts";
import type { Json, Signer } from "../../verify/token-forge.ts";

export const AUDIENCE = "https://stint.example.org";
/** The runtime that the provider knows. */
const CLIENT = { id: "flow", secret: "a-secret-that-is-long-enough-for-anything" };

const now = Math.floor(Date.now() / 1_000) as UnixSeconds;
const ofToday = { notBefore: addSeconds(now, -60), notAfter: addSeconds(now, 3_600) };
const ca = authority(ofToday);

/** The CA that vouches for every issuer here, PEM. */
export const ROOTS = pemOf("CERTIFICATE", ca.der);

export type ProviderKey = Signer & { readonly algorithm: string };

/** An HTTPS server on this machine that answers as an issuer does, or as none should. */
export type LoopbackIssuer = {
  readonly url: string;
  /** Paths that it was asked for, in their order. */
  readonly asked: string[];
  answerBy(listener: RequestListener): void;
  /** Answers as a real provider does that signs with the first of these keys. */
  provide(...keys: readonly ProviderKey[]): void;
  /** Answers with these documents, by their paths. */
  publish(documents: Readonly<Record<string, Json>>): void;
  /** Ends all connections, and takes no more. */
  stop(): Promise<void>;
  /** Again, at the same place. */
  start(): Promise<void>;
};

export async function loopbackIssuer(): Promise<LoopbackIssuer> {
  const leaf = leafOf(ca, { ...ofToday, extensions: { san: altNames([dns("localhost")]) } });
  const key = leaf.privateKey.export({ type: "pkcs8", format: "pem" });
  const server = createServer({ cert: pemOf("CERTIFICATE", leaf.der), key });
  const asked: string[] = [];
  let listener: RequestListener = (_, response) => response.writeHead(404).end();
  server.on("request", (incoming, response) => {
    asked.push(incoming.url ?? "");
    listener(incoming, response);
  });

  async function listen(port: number): Promise<number> {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }
  async function stop(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  const port = await listen(0);
  onTestFinished(stop);
  const url = `https://localhost:${port}`;
  return {
    url,
    asked,
    answerBy(answer) {
      listener = answer;
    },
    provide(...keys) {
      listener = new Provider(url, configurationOf(keys)).callback();
    },
    publish(documents) {
      listener = ({ url: path = "" }, response) => {
        const document = documents[path];
        response.writeHead(document === undefined ? 404 : 200).end(JSON.stringify(document));
      };
    },
    stop,
    start: async () => void (await listen(port)),
  };
}

/** What a key is in a JSON Web Key Set. */
export function jwkOf({ kid, algorithm, publicKey }: ProviderKey): Json {
  return { ...publicKey.export({ format: "jwk" }), kid, alg: algorithm, use: "sig" };
}

/** A provider that gives its one client JWTs for whatever it asks for. */
function configurationOf(keys: readonly ProviderKey[]): Json {
  const jwks = keys.map((key) => ({ ...key.privateKey.export({ format: "jwk" }), ...jwkOf(key) }));
  const algorithm = keys[0]?.algorithm;
  return {
    jwks: { keys: jwks },
    cookies: { keys: ["of the interactions that there are none of"] },
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
    ],
    enabledJWA: { idTokenSigningAlgValues: keys.map((key) => key.algorithm) },
    clientDefaults: { id_token_signed_response_alg: algorithm },
    extraTokenClaims: () => ({ repository: "octo/app", ref_protected: true, run_number: 7, groups: ["ops", "dev"] }),
    // What it would keep it never needs again: its tokens say everything themselves.
    adapter: () => ({ upsert: async () => undefined, find: async () => undefined }),
    ttl: { ClientCredentials: 300 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: "attest",
          audience: resource,
          accessTokenFormat: "jwt",
          accessTokenTTL: 300,
          jwt: { sign: { alg: algorithm } },
        }),
      },
    },
  };
}

/** Asks a provider for a token, as a runtime would. */
export async function tokenFrom({ url }: LoopbackIssuer, audience = AUDIENCE): Promise<string> {
  const question = request(`${url}/token`, {
    method: "POST",
    ca: ROOTS,
    agent: false,
    auth: `${CLIENT.id}:${CLIENT.secret}`,
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  question.end(String(new URLSearchParams({ grant_type: "client_credentials", resource: audience, scope: "attest" })));
  const [answer] = await once(question, "response");
  const body = await text(answer);
  const { access_token: token } = JSON.parse(body) as { readonly access_token?: string };
  if (token === undefined) throw new Error(`the provider gave no token: ${body}`);
  return token;
}
