import { ExchangeFailure, secondsToAskFor } from "../../domain/exchange.ts";
import { LIMITS } from "../../domain/limits.ts";
import { filledIn } from "../../domain/step-names.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import type { ExchangeTarget } from "../../ports/exchange-target.ts";
import { unexpected } from "./answered-json.ts";
import { ask, type Endpoint } from "./ask.ts";

export type AwsStsOptions = Omit<Endpoint, "url"> & {
  /** Origin of the regional endpoint. */
  readonly url: URL;
  /** A template. */
  readonly roleArn: string;
};

/** What AssumeRoleWithWebIdentity takes for `DurationSeconds`. */
const SECONDS_MIN = 900;
const SECONDS_MAX = 43_200;

/**
 * AWS: a step's JWT-SVID assumes a role. Nobody can end what that gives; its session is named by the exchange's id, so that
 * CloudTrail, and a policy that denies by it, can tell it.
 *
 * @see AWS Security Token Service API Reference, AssumeRoleWithWebIdentity
 */
export function awsStsTarget(options: AwsStsOptions): ExchangeTarget {
  return {
    kind: "aws-sts",
    takesToken: true,
    secondsMin: SECONDS_MIN + LIMITS.clockSkewSecondsMax,
    async issue(order) {
      const { exchangeId, token, names, expiresAt } = order;
      const body = new URLSearchParams({
        Action: "AssumeRoleWithWebIdentity",
        Version: "2011-06-15",
        RoleArn: filledIn(options.roleArn, names),
        RoleSessionName: exchangeId,
        WebIdentityToken: token,
        DurationSeconds: String(Math.min(secondsToAskFor(order), SECONDS_MAX)),
      }).toString();
      const headers = { accept: "text/xml", "content-type": "application/x-www-form-urlencoded" };
      const answer = await ask(options, { method: "POST", mayExist: true, headers, body });
      if (answer.status !== 200) throw unexpected(answer, { mayExist: answer.status >= 500 });
      const secret = {
        access_key_id: elementOf(answer.text, "AccessKeyId"),
        secret_access_key: elementOf(answer.text, "SecretAccessKey"),
        session_token: elementOf(answer.text, "SessionToken"),
      };
      const ends = Math.ceil(Date.parse(elementOf(answer.text, "Expiration")) / 1_000) as UnixSeconds;
      // Written as "not by then", so that no instant at all is refused.
      if (!(ends <= expiresAt)) {
        throw new ExchangeFailure("refused", "gives credentials that outlive the step", {
          mayExist: true,
          ...(Number.isNaN(ends) ? {} : { expiresAt: ends }),
        });
      }
      return { secret, expiresAt: ends, reference: `session ${exchangeId}` };
    },
  };
}

/** The text of an element that is there once. What these hold is base64 or an instant, so that nothing in it is escaped. */
function elementOf(xml: string, name: string): string {
  const found = [...xml.matchAll(new RegExp(`<${name}>([^<&]{1,8192})</${name}>`, "g"))];
  const [, text] = found[0] ?? [];
  if (text !== undefined && found.length === 1) return text;
  throw new ExchangeFailure("refused", `answered without a ${name}`, { mayExist: true });
}
