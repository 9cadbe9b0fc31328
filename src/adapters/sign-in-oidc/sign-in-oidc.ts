import {
  type AuthorizationServer,
  allowInsecureRequests,
  authorizationCodeGrantRequest,
  type Client,
  type ClientAuth,
  ClientSecretBasic,
  calculatePKCECodeChallenge,
  customFetch,
  discoveryRequest,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  None,
  processAuthorizationCodeResponse,
  processDiscoveryResponse,
  validateAuthResponse,
} from "oauth4webapi";
import { BrokerError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { SignIn } from "../../ports/sign-in.ts";
import { providerFetch } from "./provider-fetch.ts";

/** The console as the provider knows it. */
export type SignInClient = {
  /** Plain HTTP only to this machine; whoever configures the issuer has made sure. */
  readonly issuer: string;
  readonly clientId: string;
  /** Absent: a public client. */
  readonly clientSecret?: string;
  /** CA certificates, PEM, that vouch for the provider's host; absent: those that Node.js has. */
  readonly roots?: string;
};

/** Anybody may begin a sign-in, and must not have the provider asked for its metadata each time. */
const METADATA_MS = 60_000;

/** Signs people in at an OpenID provider. */
export function createSignIn(
  { issuer, clientId, clientSecret, roots }: SignInClient,
  clock: Pick<Clock, "monotonicMs">,
): SignIn {
  let known: { readonly sinceMs: number; readonly metadata: Promise<AuthorizationServer> } | undefined;
  const client: Client = { client_id: clientId };
  const authentication: ClientAuth = clientSecret === undefined ? None() : ClientSecretBasic(clientSecret);

  /** Of one question. */
  function terms() {
    return {
      [customFetch]: providerFetch(roots),
      [allowInsecureRequests]: issuer.startsWith("http:"),
      signal: AbortSignal.timeout(LIMITS.issuerFetchMs),
    };
  }

  function provider(): Promise<AuthorizationServer> {
    const nowMs = clock.monotonicMs();
    if (known !== undefined && nowMs - known.sinceMs < METADATA_MS) return known.metadata;
    const metadata = askForMetadata();
    const asked = { sinceMs: nowMs, metadata };
    known = asked;
    metadata.catch(() => {
      if (known === asked) known = undefined;
    });
    return metadata;
  }

  async function askForMetadata(): Promise<AuthorizationServer> {
    const url = new URL(issuer);
    return processDiscoveryResponse(url, await discoveryRequest(url, { ...terms(), algorithm: "oidc" }));
  }

  return {
    begin: (redirectUri) =>
      refusing(async () => {
        const { authorization_endpoint: endpoint } = await provider();
        if (endpoint === undefined) throw new Error("the provider names no authorization endpoint");
        const attempt = {
          state: generateRandomState(),
          nonce: generateRandomNonce(),
          codeVerifier: generateRandomCodeVerifier(),
          redirectUri,
        };
        const url = new URL(endpoint);
        const { searchParams: query } = url;
        query.set("client_id", clientId);
        query.set("redirect_uri", redirectUri);
        query.set("response_type", "code");
        query.set("scope", "openid");
        query.set("state", attempt.state);
        query.set("nonce", attempt.nonce);
        query.set("code_challenge", await calculatePKCECodeChallenge(attempt.codeVerifier));
        query.set("code_challenge_method", "S256");
        return { url: url.href, attempt };
      }),

    finish: (answer, { state, nonce, codeVerifier, redirectUri }) =>
      refusing(async () => {
        const server = await provider();
        const checked = validateAuthResponse(server, client, answer, state);
        const request = [server, client, authentication, checked, redirectUri, codeVerifier] as const;
        const response = await authorizationCodeGrantRequest(...request, terms());
        const { id_token: token } = await processAuthorizationCodeResponse(server, client, response, {
          expectedNonce: nonce,
          requireIdToken: true,
        });
        if (token === undefined) throw new Error("the provider gave no ID token");
        return token;
      }),
  };
}

/** Whoever signs in is told that it failed; why is for the log. */
async function refusing<Result>(act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new BrokerError("NO_IDENTITY", "the sign-in at the OpenID provider failed", { detail, cause });
  }
}
