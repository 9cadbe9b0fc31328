import { ExchangeFailure, secondsToAskFor } from "../../domain/exchange.ts";
import { filledIn } from "../../domain/step-names.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import type { ExchangeOrder, ExchangeTarget } from "../../ports/exchange-target.ts";
import { answeredMembers, textIn, unexpected } from "./answered-json.ts";
import { ask, type Endpoint } from "./ask.ts";

export type GcpFederationOptions = Omit<Endpoint, "url"> & {
  /** Origins. */
  readonly stsUrl: URL;
  readonly credentialsUrl: URL;
  /** Resource name of the workload identity provider, `//iam.googleapis.com/projects/…`. */
  readonly provider: string;
  /** Mail address of the service account that is impersonated; a template. */
  readonly serviceAccount: string;
  readonly scopes: readonly string[];
};

/** What generateAccessToken gives where an organization's policy says nothing else. */
const SECONDS_MAX = 3_600;
const CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform";

/**
 * Google Cloud: a step's JWT-SVID is traded for a federated token, which stays in the broker and impersonates a service
 * account. Nobody can end what that gives.
 *
 * @see Google Cloud, Security Token Service v1 token; IAM Service Account Credentials v1 generateAccessToken
 */
export function gcpFederationTarget(options: GcpFederationOptions): ExchangeTarget {
  const { stsUrl, credentialsUrl, provider, serviceAccount, scopes } = options;

  const posting = (url: URL, body: object, bearer?: string) =>
    ask(
      { ...options, url },
      {
        method: "POST",
        // A federated token whose answer was lost is nobody's.
        mayExist: bearer !== undefined,
        headers: {
          "content-type": "application/json",
          ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        },
        body: JSON.stringify(body),
      },
    );

  async function federatedToken(token: string): Promise<string> {
    const answer = await posting(new URL("/v1/token", stsUrl), {
      grantType: "urn:ietf:params:oauth:grant-type:token-exchange",
      audience: provider,
      scope: CLOUD_PLATFORM,
      requestedTokenType: "urn:ietf:params:oauth:token-type:access_token",
      subjectToken: token,
      subjectTokenType: "urn:ietf:params:oauth:token-type:jwt",
    });
    if (answer.status !== 200) throw unexpected(answer, { mayExist: false });
    const federated = textIn(answeredMembers(answer), "access_token");
    if (federated !== undefined) return federated;
    throw new ExchangeFailure("refused", "answered without a federated token", { mayExist: false });
  }

  async function impersonate(federated: string, order: ExchangeOrder) {
    const { names, expiresAt } = order;
    const account = filledIn(serviceAccount, names);
    const path = `/v1/projects/-/serviceAccounts/${encodeURIComponent(account)}:generateAccessToken`;
    const lifetime = `${Math.min(secondsToAskFor(order), SECONDS_MAX)}s`;
    const answer = await posting(new URL(path, credentialsUrl), { scope: scopes, lifetime }, federated);
    if (answer.status !== 200) throw unexpected(answer, { mayExist: answer.status >= 500 });
    const members = answeredMembers(answer);
    const token = textIn(members, "accessToken");
    const ends = Math.ceil(Date.parse(textIn(members, "expireTime") ?? "") / 1_000) as UnixSeconds;
    // Written as "not by then", so that no instant at all is refused.
    if (token === undefined || !(ends <= expiresAt)) {
      throw new ExchangeFailure("refused", "answered without a token that ends with the step", {
        mayExist: true,
        ...(Number.isNaN(ends) ? {} : { expiresAt: ends }),
      });
    }
    return { secret: { token }, expiresAt: ends, reference: `service account ${account}` };
  }

  return {
    kind: "gcp-federation",
    takesToken: true,
    secondsMin: 0,
    issue: async (order) => impersonate(await federatedToken(order.token), order),
  };
}
