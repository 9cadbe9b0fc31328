import type { DpopKey } from "./dpop-key.ts";
import type { JwtSvid } from "./jwt-svid.ts";
import type { TxnToken } from "./txn-token.ts";
import type { WitSvid } from "./wit-svid.ts";

/** What one request is sent with to its server. */
export type RequestCredential = {
  readonly audience: string;
  /** For one request; what proves something is made anew for each. */
  headersFor(request: SentRequest): Readonly<Record<string, string>>;
};

export type SentRequest = {
  readonly method: string;
  readonly url: string;
  /** That the server gave last, where it gave any. */
  readonly nonce: string | undefined;
};

/** Where a step has its requests' credentials from. */
export type RequestCredentials = {
  /** Whether nonces are of use here. */
  readonly takesNonces: boolean;
  /**
   * Those for one location of the grant, good for a while.
   *
   * @param rejected - not these, which the server refused.
   */
  get(audience: string, rejected?: RequestCredential): Promise<RequestCredential>;
};

/** By which a request says who sends it. */
export const CREDENTIAL_HEADERS = ["Authorization", "DPoP", "Workload-Identity-Token", "Txn-Token"] as const;

/**
 * JWT-SVIDs; with a key, to which they are bound, each request has a proof of it.
 *
 * @param jwtSvid - gives one that holds; not `rejected`, when given.
 */
export function tokenCredentials(
  jwtSvid: (audience: string, rejected?: JwtSvid | undefined) => Promise<JwtSvid>,
  dpopKey: DpopKey | undefined,
): RequestCredentials {
  const svids = new WeakMap<RequestCredential, JwtSvid>();
  return {
    takesNonces: dpopKey !== undefined,
    async get(audience, rejected) {
      const svid = await jwtSvid(audience, rejected === undefined ? undefined : svids.get(rejected));
      const credential: RequestCredential = {
        audience,
        headersFor: (request) => ({
          authorization: svid.authorization(),
          ...(dpopKey !== undefined && { dpop: dpopKey.proof({ ...request, token: svid.svid() }) }),
        }),
      };
      svids.set(credential, svid);
      return credential;
    },
  };
}

/**
 * A WIT-SVID, by which the step proves to be itself, and a transaction token, which says what it may do.
 *
 * @param svids - give those that hold; not `rejected`, when given.
 */
export function witCredentials(svids: {
  readonly witSvid: (rejected?: WitSvid | undefined) => Promise<WitSvid>;
  readonly txnToken: (location: string, rejected?: TxnToken | undefined) => Promise<TxnToken>;
}): RequestCredentials {
  const given = new WeakMap<RequestCredential, { readonly wit: WitSvid; readonly txn: TxnToken }>();
  return {
    takesNonces: false,
    async get(audience, rejected) {
      const old = rejected === undefined ? undefined : given.get(rejected);
      const [wit, txn] = await Promise.all([svids.witSvid(old?.wit), svids.txnToken(audience, old?.txn)]);
      const credential: RequestCredential = {
        audience,
        headersFor: ({ url }) => ({
          authorization: wit.authorization({ url, txnToken: txn.token() }),
          "workload-identity-token": wit.svid(),
          "txn-token": txn.token(),
        }),
      };
      given.set(credential, { wit, txn });
      return credential;
    },
  };
}
