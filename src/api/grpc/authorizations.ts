import type { CallAnswer } from "../../check/answer-denials.ts";
import { type AskerPorts, askerOf } from "../../check/asker.ts";
import { checkCallRequest, type PresentedCredential } from "../../check/call-request.ts";
import { type CheckPorts, checkCall } from "../../check/check-call.ts";
import { invalidField } from "../../domain/errors.ts";
import type { Authorizations, CheckRequest } from "../../gen/stint/v1/authorizations_pb.js";
import { Effect } from "../../gen/stint/v1/history_pb.js";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { type Endpoint, unary } from "./call.ts";

export type AuthorizationsPorts = CheckPorts & AskerPorts;

/** What verifiers ask about single calls. */
export function authorizationsHandlers(
  endpoint: Endpoint,
  ports: AuthorizationsPorts,
): HandlersOf<typeof Authorizations> {
  return {
    check: unary(endpoint, "Authorizations.Check", async (message, caller, ids) => {
      const { location, tool, actions, datatypes, argumentsSha256 } = message;
      const credential = credentialOf(message);
      const request = checkCallRequest({ credential, location, tool, actions, datatypes, argumentsSha256 });
      ids["tool"] = tool;
      const answer = await checkCall(await askerOf(caller, request, ports), request, ports);
      ids["decisionId"] = answer.decisionId;
      if (answer.effect === "deny") ids["reason"] = answer.reason;
      return messageOf(answer);
    }),
  };
}

function credentialOf({ credential }: CheckRequest): PresentedCredential {
  switch (credential.case) {
    case "jwtSvid":
      return { kind: "jwt-svid", token: credential.value };
    case "witSvid":
      return { kind: "wit-svid", witSvid: credential.value.witSvid, txnToken: credential.value.txnToken };
    case undefined:
      throw invalidField("credential", "a JWT-SVID, or a WIT-SVID with its transaction token");
  }
}

function messageOf(answer: CallAnswer) {
  const { decisionId } = answer;
  if (answer.effect === "allow") {
    const { callsLeft } = answer;
    return { decisionId, effect: Effect.ALLOW, ...(callsLeft === undefined ? {} : { callsLeft }) };
  }
  const { reason, message, metadata } = answer;
  return { decisionId, effect: Effect.DENY, reason, message, metadata: { ...metadata } };
}
