import type { DpopKey } from "./dpop-key.ts";
import type { JwtSvid } from "./jwt-svid.ts";
import { locationFor } from "./location-for.ts";
import { StintError } from "./stint-error.ts";
import type { WitSvid } from "./wit-svid.ts";

/** As the global `fetch`. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const UNAUTHORIZED = 401;
/** By which a request says who sends it. */
const CREDENTIAL_HEADERS = ["Authorization", "DPoP", "Workload-Identity-Token", "Workload-Proof-Token"] as const;
/** RFC 9449 section 9. */
const USE_NONCE = /\bDPoP\b.*\berror="use_dpop_nonce"/i;
/** A step has tens of servers; more would be a caller that makes them up. */
const NONCES_MAX = 256;

/**
 * A fetch that authenticates as a step: with a JWT-SVID for the longest granted location that is a prefix of the URL.
 *
 * It never sends a credential where the grant does not reach: no location, no request; a redirect is an error. A 401 is
 * answered once with a new JWT-SVID, if the body can be sent again; the second answer is given as it is. With a DPoP key
 * or a WIT-SVID each request has a proof of its own, and a server's wish for a DPoP nonce is met once too.
 *
 * @param options.locations - of the step's grant.
 * @param options.jwtSvid - one that holds; not `rejected`, when given.
 * @param options.signal - ends requests that are under way.
 */
export function createStepFetch(options: {
  readonly locations: readonly string[];
  readonly jwtSvid: (audience: string, rejected?: JwtSvid | undefined) => Promise<JwtSvid>;
  readonly signal: AbortSignal;
  /** To which those JWT-SVIDs are bound. */
  readonly dpopKey?: DpopKey | undefined;
  /** To stand beside those JWT-SVIDs: one that holds. */
  readonly witSvid?: (() => Promise<WitSvid>) | undefined;
  readonly fetch?: Fetch | undefined;
}): Fetch {
  const send = options.fetch ?? fetch;
  const nonces = new Map<string, string>();

  /** One request, with the nonce that its server gave last; and the nonce that comes with the answer. */
  async function attempt(input: string | URL | Request, init: RequestInit | undefined, svid: JwtSvid) {
    // First, since it may be refused: the making of the request takes the body away from its caller.
    const wit = await options.witSvid?.();
    const request = new Request(input, { ...init, redirect: "manual" });
    // Not the request's own, which falls silent when the request is collected, while the answer's body still comes.
    const caller = init?.signal === undefined && input instanceof Request ? input.signal : init?.signal;
    const { origin } = new URL(request.url);
    request.headers.set("authorization", svid.authorization());
    if (options.dpopKey !== undefined) {
      const { method, url } = request;
      const proof = options.dpopKey.proof({ method, url, token: svid.svid(), nonce: nonces.get(origin) });
      request.headers.set("dpop", proof);
    }
    if (wit !== undefined) presentWit(wit, request, svid.svid());
    const signal = caller === undefined || caller === null ? options.signal : AbortSignal.any([options.signal, caller]);
    const response = await send(request, { signal });
    keepNonce(origin, response.headers.get("dpop-nonce"));
    if (response.type === "opaqueredirect" || REDIRECTS.includes(response.status)) {
      await response.body?.cancel();
      throw new StintError("REDIRECT_REFUSED", `${svid.audience} answered with a redirect`, {
        metadata: { status: String(response.status) },
      });
    }
    return response;
  }

  function keepNonce(origin: string, nonce: string | null): void {
    if (nonce === null || options.dpopKey === undefined) return;
    nonces.delete(origin);
    nonces.set(origin, nonce);
    const [oldest] = nonces.keys();
    if (nonces.size > NONCES_MAX && oldest !== undefined) nonces.delete(oldest);
  }

  /** Whether a server wants the request again, with the nonce that it gave. */
  function wantsNonce({ status, headers }: Response): boolean {
    const challenge = headers.get("www-authenticate") ?? "";
    const asked = status === UNAUTHORIZED && headers.has("dpop-nonce") && USE_NONCE.test(challenge);
    return asked && options.dpopKey !== undefined;
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
    const svid = await options.jwtSvid(audience);
    let response = await attempt(input, init, svid);
    if (response.status !== UNAUTHORIZED || !isReplayable(given, init)) return response;
    if (wantsNonce(response)) {
      await response.body?.cancel();
      response = await attempt(input, init, svid);
      if (response.status !== UNAUTHORIZED) return response;
    }
    await response.body?.cancel();
    return attempt(input, init, await options.jwtSvid(audience, svid));
  };
}

/** Puts a WIT-SVID beside the tokens that a request has, and a proof of all of them. */
function presentWit(wit: WitSvid, { url, headers }: Request, token: string): void {
  const transactionToken = headers.get("txn-token") ?? undefined;
  headers.set("workload-identity-token", wit.svid());
  headers.set("workload-proof-token", wit.proof({ url, token, transactionToken }));
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
