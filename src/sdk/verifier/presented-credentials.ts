import { VerificationError } from "../../verify/verification-error.ts";

/** An HTTP request, as far as it says who sends it. */
export type PresentedRequest = {
  readonly method: string;
  /** Its target URI as its client wrote it: behind a proxy the public one, since proofs are made for that. */
  readonly url: string;
  /**
   * Every value as it came. Of a Node request take `rawHeaders`, a list of names and values by turns, whether it is of
   * HTTP/1.1 or HTTP/2: its `headers` leave out what came twice.
   */
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>> | readonly string[];
  /**
   * The certificate of this connection's client, DER: `socket.getPeerX509Certificate()?.raw`. Its possession is what the
   * TLS handshake has shown; whom it names does not matter here. Never from a header.
   */
  readonly clientCertificate?: Uint8Array | undefined;
};

/** What a request brings, unverified. */
export type PresentedCredentials = {
  readonly scheme: "Bearer" | "DPoP" | "WPT" | undefined;
  /** The access token of that scheme; of `WPT` the Workload Proof Token. */
  readonly token: string | undefined;
  readonly dpop: string | undefined;
  readonly wit: string | undefined;
  readonly transactionToken: string | undefined;
};

/** RFC 6750 section 2.1, RFC 9449 section 7.1: the scheme in any case, one space, and a token68. */
const CREDENTIALS = /^(Bearer|DPoP|WPT) ([A-Za-z0-9._~+/-]+=*)$/i;
const SCHEMES = { bearer: "Bearer", dpop: "DPoP", wpt: "WPT" } as const;
const SCHEME = /^(Bearer|DPoP|WPT)(\s|$)/i;

/**
 * Reads the credentials of a request, each from the one place where it may be.
 *
 * @throws VerificationError REQUEST_MALFORMED for an Authorization header that is not one token of a scheme
 * @see RFC 6750 section 2, RFC 9449 section 4.3, draft-ietf-wimse-workload-creds, draft-ietf-wimse-wpt,
 *   draft-ietf-oauth-transaction-tokens
 */
export function presentedCredentials(request: PresentedRequest): PresentedCredentials {
  const headers = headersOf(request.headers);
  return {
    ...accessTokenOf(headers.get("authorization") ?? ""),
    dpop: headers.get("DPoP") ?? undefined,
    wit: headers.get("Workload-Identity-Token") ?? undefined,
    transactionToken: headers.get("Txn-Token") ?? undefined,
  };
}

/** The access token of a request; `undefined` where it has none, or more than one. */
export function presentedToken({ headers }: PresentedRequest): string | undefined {
  const [, , token] = CREDENTIALS.exec(headersOf(headers).get("authorization") ?? "") ?? [];
  return token;
}

function accessTokenOf(header: string): Pick<PresentedCredentials, "scheme" | "token"> {
  const [, scheme, token] = CREDENTIALS.exec(header) ?? [];
  if (scheme !== undefined) return { scheme: SCHEMES[scheme.toLowerCase() as keyof typeof SCHEMES], token };
  // Two headers come as one with a comma, which no token has.
  if (SCHEME.test(header) || header.includes(",")) {
    throw new VerificationError("REQUEST_MALFORMED", "the Authorization header must be one token: Bearer, DPoP or WPT");
  }
  return { scheme: undefined, token: undefined };
}

function headersOf(given: PresentedRequest["headers"]): Headers {
  if (given instanceof Headers) return given;
  const headers = new Headers();
  for (const [name, values] of isRaw(given) ? byTurns(given) : Object.entries(given)) {
    // Of HTTP/2 `:method` and its like stand among them.
    if (name.startsWith(":")) continue;
    for (const value of values === undefined ? [] : [values].flat()) headers.append(name, value);
  }
  return headers;
}

function isRaw(given: PresentedRequest["headers"]): given is readonly string[] {
  return Array.isArray(given);
}

function* byTurns(raw: readonly string[]): Generator<readonly [name: string, value: string | undefined]> {
  for (let index = 0; index < raw.length; index += 2) yield [raw[index] ?? "", raw[index + 1]];
}
