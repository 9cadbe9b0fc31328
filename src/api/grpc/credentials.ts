import { BrokerError, errorOf, invalidField, isDenial } from "../../domain/errors.ts";
import type { Attested, Delivery } from "../../domain/stages.ts";
import { type ExchangePorts, exchangeSecret } from "../../exchange/exchange-secret.ts";
import type { Credentials } from "../../gen/stint/v1/credentials_pb.js";
import { onlyAnswer, type SvidOrder, type SvidWanted } from "../../issue/entitle.ts";
import { type IssueDelegationPorts, issueDelegationToken } from "../../issue/issue-delegation-token.ts";
import { issueSvids } from "../../issue/issue-svids.ts";
import { publicKeyOfJwk } from "../../verify/public-jwk.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { timestampOfSeconds } from "../../wire/timestamps.ts";
import { type Endpoint, unary } from "./call.ts";
import {
  delegationOrderOf,
  delegationTokenMessageOf,
  jwtSvidMessageOf,
  jwtSvidOutcomeOf,
  jwtSvidsWantedOf,
  jwtSvidWantedOf,
  txnTokenMessageOf,
  txnTokenWantedOf,
  witSvidMessageOf,
  x509SvidMessageOf,
} from "./svid-messages.ts";

export type CredentialsPorts = IssueDelegationPorts & ExchangePorts;

/**
 * Credentials of open steps: on the workload endpoint for the step's executor, on the broker endpoint for its opener.
 * Delegation tokens are for both on either endpoint.
 *
 * @param mayAsk - throws for a caller who may not ask on this endpoint.
 */
export function credentialsHandlers(
  endpoint: Endpoint,
  ports: CredentialsPorts,
  as: NonNullable<SvidOrder["as"]> = "executor",
  mayAsk: (caller: Attested) => void = () => undefined,
): HandlersOf<typeof Credentials> {
  return {
    ...issuingHandlers(endpoint, ports, as, mayAsk),
    exchange: unary(endpoint, "Credentials.Exchange", async ({ stepId, target, requestId }, caller, ids) => {
      Object.assign(ids, { stepId, target });
      if (as !== "executor") {
        throw new BrokerError("NOT_ENTITLED", "the step's executor asks for it, on the workload endpoint");
      }
      const given = await exchangeSecret(caller, { stepId, target, requestId }, ports);
      ids["exchangeId"] = given.exchangeId;
      return {
        ...{ exchangeId: given.exchangeId, target: given.target, kind: given.kind, secret: { ...given.secret } },
        expiresAt: timestampOfSeconds(given.expiresAt),
        endsWithStep: given.endable,
      };
    }),
  };
}

/** What of it issues credentials of Stint itself. */
export function issuingHandlers(
  endpoint: Endpoint,
  ports: IssueDelegationPorts,
  as: NonNullable<SvidOrder["as"]> = "executor",
  mayAsk: (caller: Attested) => void = () => undefined,
): Omit<HandlersOf<typeof Credentials>, "exchange"> {
  async function issueOne(caller: Attested, stepId: string, wanted: SvidWanted): Promise<Delivery> {
    mayAsk(caller);
    const answer = onlyAnswer(await issueSvids(caller, { stepId, wanted: [wanted], as }, ports));
    if (isDenial(answer)) throw errorOf(answer);
    return answer;
  }

  return {
    issueX509Svid: unary(endpoint, "Credentials.IssueX509Svid", async (request, caller, ids) => {
      ids["stepId"] = request.stepId;
      const delivery = await issueOne(caller, request.stepId, { kind: "x509-svid", csr: request.csr });
      ids["issuanceId"] = delivery.issuanceId;
      return { svid: x509SvidMessageOf(delivery, ports.authorities) };
    }),
    issueJwtSvid: unary(endpoint, "Credentials.IssueJwtSvid", async (request, caller, ids) => {
      ids["stepId"] = request.stepId;
      if (request.wanted === undefined) throw invalidField("wanted", "what the token is wanted for");
      const delivery = await issueOne(caller, request.stepId, jwtSvidWantedOf(request.wanted, "wanted"));
      ids["issuanceId"] = delivery.issuanceId;
      return { svid: jwtSvidMessageOf(delivery) };
    }),
    issueWitSvid: unary(endpoint, "Credentials.IssueWitSvid", async (request, caller, ids) => {
      ids["stepId"] = request.stepId;
      const publicKey = publicKeyOfJwk(request.jwk, "jwk");
      const delivery = await issueOne(caller, request.stepId, { kind: "wit-svid", publicKey });
      ids["issuanceId"] = delivery.issuanceId;
      return { svid: witSvidMessageOf(delivery) };
    }),
    issueTxnToken: unary(endpoint, "Credentials.IssueTxnToken", async (request, caller, ids) => {
      ids["stepId"] = request.stepId;
      const delivery = await issueOne(caller, request.stepId, txnTokenWantedOf(request));
      ids["issuanceId"] = delivery.issuanceId;
      return { token: txnTokenMessageOf(delivery) };
    }),
    issueDelegationToken: unary(endpoint, "Credentials.IssueDelegationToken", async (request, caller, ids) => {
      ids["stepId"] = request.stepId;
      mayAsk(caller);
      const delivery = await issueDelegationToken(caller, delegationOrderOf(request), ports);
      ids["issuanceId"] = delivery.issuanceId;
      return { token: delegationTokenMessageOf(delivery) };
    }),
    issueJwtSvids: unary(endpoint, "Credentials.IssueJwtSvids", async (request, caller, ids) => {
      ids["stepId"] = request.stepId;
      if (request.wanted.length === 0) throw invalidField("wanted", "at least one");
      const wanted = jwtSvidsWantedOf(request.wanted, "wanted");
      mayAsk(caller);
      const answers = await issueSvids(caller, { stepId: request.stepId, wanted, as }, ports);
      return { outcomes: answers.map(jwtSvidOutcomeOf) };
    }),
  };
}
