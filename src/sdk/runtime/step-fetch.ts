import { locationFor } from "./location-for.ts";
import { patientFetch } from "./patient-fetch.ts";
import { CREDENTIAL_HEADERS, type RequestCredential, type RequestCredentials } from "./request-credentials.ts";
import { StintError } from "./stint-error.ts";

/** As the global `fetch`. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const UNAUTHORIZED = 401;
/** RFC 9449 section 9. */
const USE_NONCE = /\bDPoP\b.*\berror="use_dpop_nonce"/i;
/** A step has tens of servers; more would be a caller that makes them up. */
const NONCES_MAX = 256;

/**
 * A fetch that authenticates as a step: with credentials for the longest granted location that is a prefix of the URL.
 *
 * It never sends a credential where the grant does not reach: no location, no request; a redirect is an error. A 401 is
 * answered once with new credentials, if the body can be sent again; the second answer is given as it is. What proves
 * something is made for each request, and a server's wish for a DPoP nonce is met once too.
 *
 * @param options.locations - of the step's grant.
 * @param options.signal - ends requests that are under way.
 */
export function createStepFetch(options: {
  readonly locations: readonly string[];
  readonly credentials: RequestCredentials;
  readonly signal: AbortSignal;
  readonly fetch?: Fetch | undefined;
}): Fetch {
  const { credentials } = options;
  const send = options.fetch ?? patientFetch;
  const nonces = new Map<string, string>();

  /** One request, with the nonce that its server gave last; and the nonce that comes with the answer. */
  async function attempt(
    input: string | URL | Request,
    init: RequestInit | undefined,
    { audience, headersFor }: RequestCredential,
  ): Promise<Response> {
    const request = new Request(input, { ...init, redirect: "manual" });
    // Not the request's own, which falls silent when the request is collected, while the answer's body still comes.
    const caller = init?.signal === undefined && input instanceof Request ? input.signal : init?.signal;
    const { method, url } = request;
    const { origin } = new URL(url);
    const headers = headersFor({ method, url, nonce: nonces.get(origin) });
    for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
    const signal = caller === undefined || caller === null ? options.signal : AbortSignal.any([options.signal, caller]);
    const response = await send(request, { signal });
    keepNonce(origin, response.headers.get("dpop-nonce"));
    if (response.type === "opaqueredirect" || REDIRECTS.includes(response.status)) {
      await response.body?.cancel();
      throw new StintError("REDIRECT_REFUSED", `${audience} answered with a redirect`, {
        metadata: { status: String(response.status) },
      });
    }
    return response;
  }

  function keepNonce(origin: string, nonce: string | null): void {
    if (nonce === null || !credentials.takesNonces) return;
    nonces.delete(origin);
    nonces.set(origin, nonce);
    const [oldest] = nonces.keys();
    if (nonces.size > NONCES_MAX && oldest !== undefined) nonces.delete(oldest);
  }

  /** Whether a server wants the request again, with the nonce that it gave. */
  function wantsNonce({ status, headers }: Response): boolean {
    const challenge = headers.get("www-authenticate") ?? "";
    const asked = status === UNAUTHORIZED && headers.has("dpop-nonce") && USE_NONCE.test(challenge);
    return asked && credentials.takesNonces;
  }

  return async (input, init) => {
    options.signal.throwIfAborted();
    const given = input instanceof Request ? input : undefined;
    const headers = new Headers(init?.headers ?? given?.headers);
    if (CREDENTIAL_HEADERS.some((name) => headers.has(name))) {
      throw new StintError("AUTHORIZATION_GIVEN", `the headers ${CREDENTIAL_HEADERS.join(", ")} are the step's to set`);
    }
    const audience = locationFor(new URL(given?.url ?? String(input)), options.locations);
    if (audience === undefined) {
      throw new StintError("NO_LOCATION", "the step's grant has no location that is a prefix of this URL");
    }
    // First, since they may be refused: the making of the request takes the body away from its caller.
    const credential = await credentials.get(audience);
    let response = await attempt(input, init, credential);
    if (response.status !== UNAUTHORIZED || !isReplayable(given, init)) return response;
    if (wantsNonce(response)) {
      await response.body?.cancel();
      response = await attempt(input, init, credential);
      if (response.status !== UNAUTHORIZED) return response;
    }
    await response.body?.cancel();
    return attempt(input, init, await credentials.get(audience, credential));
  };
}

/** A stream can be read once; everything else that may be a body makes the same bytes again. */
function isReplayable(given: Request | undefined, init: RequestInit | undefined): boolean {
  const body = init?.body ?? null;
  // A null body in `init` leaves the Request's own in place.
  if (body === null) return given === undefined || given.body === null;
  return (
    typeof body === "string" ||
    body instanceof ArrayBuffer ||
    ArrayBuffer.isView(body) ||
    body instanceof Blob ||
    body instanceof URLSearchParams ||
    body instanceof FormData
  );
}
