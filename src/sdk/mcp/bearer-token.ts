import { REFUSAL_CODES, type Refusal, refusal } from "./refusal.ts";

/** RFC 6750 section 2.1: the scheme in any case, one space, and a b64token. */
const BEARER = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i;
const SCHEME = /^Bearer(\s|$)/i;

/**
 * The token of a request, from the one place where it may be.
 *
 * @param scope - for the challenge.
 * @see RFC 6750 sections 2.1 and 3.1
 */
export function bearerTokenOf(headers: Headers, scope: string | undefined): string | Refusal {
  const header = headers.get("authorization") ?? "";
  const token = BEARER.exec(header)?.[1];
  if (token !== undefined) return token;
  // Two headers come as one with a comma, which no token has.
  if (SCHEME.test(header) || header.includes(",")) {
    return refusal({
      status: 400,
      code: REFUSAL_CODES.refused,
      reason: "REQUEST_MALFORMED",
      message: "the Authorization header must be one Bearer token",
      challenge: { error: "invalid_request", scope },
    });
  }
  // Whoever brought no token is told no error, only where tokens come from.
  return refusal({
    status: 401,
    code: REFUSAL_CODES.refused,
    reason: "TOKEN_MISSING",
    message: "a Bearer token is required",
    challenge: { scope },
  });
}
