import type { JwtSvid } from "./jwt-svid.ts";
import { locationFor } from "./location-for.ts";
import { StintError } from "./stint-error.ts";

/** As the global `fetch`. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const UNAUTHORIZED = 401;

/**
 * A fetch that authenticates as a step: with a JWT-SVID for the longest granted location that is a prefix of the URL.
 *
 * It never sends a credential where the grant does not reach: no location, no request; a redirect is an error. A 401 is
 * answered once with a new JWT-SVID, if the body can be sent again; the second answer is given as it is.
 *
 * @param options.locations - of the step's grant.
 * @param options.jwtSvid - one that holds; not `rejected`, when given.
 * @param options.signal - ends requests that are under way.
 */
export function createStepFetch(options: {
  readonly locations: readonly string[];
  readonly jwtSvid: (audience: string, rejected?: JwtSvid | undefined) => Promise<JwtSvid>;
  readonly signal: AbortSignal;
  readonly fetch?: Fetch | undefined;
}): Fetch {
  const send = options.fetch ?? fetch;

  async function attempt(input: string | URL | Request, init: RequestInit | undefined, svid: JwtSvid) {
    const request = new Request(input, { ...init, redirect: "manual" });
    request.headers.set("authorization", svid.authorization());
    const response = await send(request, { signal: AbortSignal.any([options.signal, request.signal]) });
    if (response.type === "opaqueredirect" || REDIRECTS.includes(response.status)) {
      await response.body?.cancel();
      throw new StintError("REDIRECT_REFUSED", `${svid.audience} answered with a redirect`, {
        metadata: { status: String(response.status) },
      });
    }
    return response;
  }

  return async (input, init) => {
    options.signal.throwIfAborted();
    const given = input instanceof Request ? input : undefined;
    if (new Headers(init?.headers ?? given?.headers).has("authorization")) {
      throw new StintError("AUTHORIZATION_GIVEN", "the Authorization header is the step's to set");
    }
    const audience = locationFor(new URL(given?.url ?? String(input)), options.locations);
    if (audience === undefined) {
      throw new StintError("NO_LOCATION", "the step's grant has no location that is a prefix of this URL");
    }
    const svid = await options.jwtSvid(audience);
    const response = await attempt(input, init, svid);
    if (response.status !== UNAUTHORIZED || !isReplayable(given, init)) return response;
    await response.body?.cancel();
    return attempt(input, init, await options.jwtSvid(audience, svid));
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
