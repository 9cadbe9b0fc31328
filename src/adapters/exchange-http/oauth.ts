import { createHash } from "node:crypto";
import { ExchangeFailure } from "../../domain/exchange.ts";
import { filledIn } from "../../domain/step-names.ts";
import { addSeconds } from "../../domain/time.ts";
import type { ExchangeOrder, ExchangeTarget } from "../../ports/exchange-target.ts";
import { answeredMembers, secondsIn, textIn, unexpected } from "./answered-json.ts";
import { type Answer, ask, type Endpoint } from "./ask.ts";

export type OAuthOptions = Omit<Endpoint, "url"> & {
  readonly kind: "token-exchange" | "jwt-bearer";
  readonly tokenUrl: URL;
  /** Where tokens are revoked; absent: nobody can end them. */
  readonly revocationUrl?: URL;
  /** Of the broker, as a client of the authorization server; without a secret a public one. */
  readonly clientId?: string;
  readonly clientSecret?: () => string;
  /** What is asked for; `scope` is a template. */
  readonly scope?: string;
  readonly resource?: string;
  /** Of the wanted token; token exchange alone. */
  readonly tokenAudience?: string;
};

const JWT = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";

/**
 * An authorization server that takes a step's JWT-SVID for an access token: by token exchange, or as an assertion that is a
 * grant by itself. The token is revoked where the server has a place for that.
 *
 * @see RFC 8693 section 2, RFC 7523 section 2.1, RFC 7009 section 2
 */
export function oauthTarget(options: OAuthOptions): ExchangeTarget {
  const { kind, revocationUrl } = options;

  function posting(url: URL, form: Readonly<Record<string, string>>): Promise<Answer> {
    const headers = { "content-type": "application/x-www-form-urlencoded", ...basic(options) };
    const client = options.clientId === undefined || "authorization" in headers ? {} : { client_id: options.clientId };
    const body = new URLSearchParams({ ...form, ...client }).toString();
    return ask({ ...options, url }, { method: "POST", mayExist: true, headers, body });
  }

  async function revoke(token: string, url: URL): Promise<void> {
    const answer = await posting(url, { token, token_type_hint: "access_token" });
    // A token that the server does not know is answered in the same way.
    if (answer.status !== 200) throw unexpected(answer, { mayExist: true });
  }

  return {
    kind,
    takesToken: true,
    secondsMin: 0,
    async issue(order) {
      const answer = await posting(options.tokenUrl, grantOf(order, options));
      if (answer.status !== 200) throw unexpected(answer, { mayExist: answer.status >= 500 });
      const members = answeredMembers(answer);
      const token = textIn(members, "access_token");
      if (token === undefined) throw new ExchangeFailure("refused", "answered without a token", { mayExist: true });
      const isBearer = textIn(members, "token_type")?.toLowerCase() === "bearer";
      const seconds = secondsIn(members, "expires_in");
      const expiresAt = addSeconds(order.now, seconds ?? order.expiresAt - order.now);
      const made = { mayExist: true, expiresAt, ...(revocationUrl === undefined ? {} : { handle: token }) };
      if (!isBearer) throw new ExchangeFailure("refused", "answered with a token that is no bearer token", made);
      if (revocationUrl === undefined && (seconds === undefined || expiresAt > order.expiresAt)) {
        throw new ExchangeFailure("refused", "gives a token that outlives the step, and has no revocation_url", made);
      }
      return {
        secret: { token },
        expiresAt,
        reference: `token sha256:${createHash("sha256").update(token).digest("hex")}`,
        ...(revocationUrl === undefined ? {} : { handle: token }),
      };
    },
    ...(revocationUrl !== undefined && {
      async end({ handle }) {
        if (handle !== undefined) return revoke(handle, revocationUrl);
        throw new ExchangeFailure("unavailable", "has not answered with what would have to be revoked", {
          mayExist: true,
        });
      },
    }),
  };
}

function grantOf(order: ExchangeOrder, { kind, scope, resource, tokenAudience }: OAuthOptions) {
  const wanted = {
    ...(scope === undefined ? {} : { scope: filledIn(scope, order.names) }),
    ...(resource === undefined ? {} : { resource }),
  };
  if (kind === "jwt-bearer") {
    return { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion: order.token, ...wanted };
  }
  return {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token: order.token,
    subject_token_type: JWT,
    requested_token_type: ACCESS_TOKEN,
    ...(tokenAudience === undefined ? {} : { audience: tokenAudience }),
    ...wanted,
  };
}

/** Id and secret are each encoded as a form's values are. RFC 6749 section 2.3.1. */
function basic({ clientId, clientSecret }: OAuthOptions): Readonly<Record<string, string>> {
  if (clientId === undefined || clientSecret === undefined) return {};
  const encoded = (text: string) => new URLSearchParams({ text }).toString().slice("text=".length);
  const credentials = `${encoded(clientId)}:${encoded(clientSecret())}`;
  return { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
}
