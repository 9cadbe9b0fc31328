import { type AttestEvidencePorts, attestEvidence, type Claim, uniformRefusal } from "../../attest/attest-evidence.ts";
import { BrokerError, errorOf, invalidField, isDenial } from "../../domain/errors.ts";
import { kindOf } from "../../domain/selector.ts";
import type { Attested, Delivery } from "../../domain/stages.ts";
import type { Attestation, AttestationClaim, AttestRequest, Renewals } from "../../gen/stint/v1/attestation_pb.js";
import { issueByEvidence } from "../../issue/issue-by-evidence.ts";
import { type InfrastructurePorts, issueInfrastructureSvid } from "../../issue/issue-infrastructure-svid.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { type AttestCall, type AttestConversation, converse } from "./attest-conversation.ts";
import { type RecordingPorts, recordingRefusals } from "./attesting.ts";
import { type Begun, begin, type Endpoint, unary } from "./call.ts";
import { x509SvidMessageOf } from "./svid-messages.ts";

export type AttestationPorts = AttestEvidencePorts & InfrastructurePorts & RecordingPorts;

/** Identities by evidence, for whoever reaches the endpoint: here the connection says nothing of who a caller is. */
export function attestationHandlers(endpoint: Endpoint, ports: AttestationPorts): HandlersOf<typeof Attestation> {
  return { attest: (call) => attest(call, endpoint, ports) };
}

function attest(call: AttestCall, endpoint: Endpoint, ports: AttestationPorts): void {
  const begun = begin(endpoint, "Attestation.Attest", call);
  const conversation = converse(call, ports.clock);
  const recorded = recordingRefusals(() => conversation.inTime(attested(conversation, begun, ports)), ports);
  begun
    .run(() => recorded(undefined))
    .then(
      (delivery) => {
        call.write({ message: { case: "svid", value: x509SvidMessageOf(delivery, ports.authorities) } });
        call.end();
      },
      (thrown: unknown) => call.emit("error", serviceErrorOf(thrown)),
    )
    .finally(conversation.end);
}

async function attested(conversation: AttestConversation, begun: Begun, ports: AttestationPorts): Promise<Delivery> {
  try {
    const claim = claimOf(await conversation.next());
    begun.ids["attestor"] = claim.evidence.attestor;
    const { caller, entry, publicKey, spend } = await attestEvidence(claim, conversation, ports);
    const spendInTime = async (): Promise<void> => {
      // When nobody waits for the SVID any more, this throws, and the evidence stays good for the next attempt.
      conversation.checkTime();
      await spend();
      begun.calledBy(caller);
    };
    const delivery = await issueByEvidence(caller, { entryId: entry.entryId, publicKey }, spendInTime, ports);
    begun.ids["issuanceId"] = delivery.issuanceId;
    return delivery;
  } catch (thrown) {
    throw uniformRefusal(thrown);
  }
}

function claimOf(message: AttestRequest["message"]): Claim {
  if (message.case !== "claim") throw invalidField("message", "a claim first");
  const { evidence, csr, entry } = message.value;
  return { evidence: evidenceOf(evidence), csr, entry };
}

function evidenceOf(evidence: AttestationClaim["evidence"]): Claim["evidence"] {
  switch (evidence.case) {
    case "oidcToken":
      return { attestor: "oidc", evidence: Buffer.from(evidence.value) };
    case "x509pop":
      return { attestor: "x509pop", evidence: evidence.value };
    case "joinToken":
      return { attestor: "join_token", token: evidence.value };
    case undefined:
      throw invalidField("evidence", "oidc_token, x509pop or join_token");
  }
}

/** The next SVID for a caller that has an SVID, and whose evidence can't be shown again. */
export function renewalsHandlers(endpoint: Endpoint, ports: InfrastructurePorts): HandlersOf<typeof Renewals> {
  return {
    renew: unary(endpoint, "Renewals.Renew", async ({ csr }, caller, ids) => {
      const delivery = await issueInfrastructureSvid(caller, { entryId: renewableEntryOf(caller), csr }, ports);
      if (isDenial(delivery)) throw errorOf(delivery);
      ids["issuanceId"] = delivery.issuanceId;
      return { svid: x509SvidMessageOf(delivery, ports.authorities) };
    }),
  };
}

function renewableEntryOf({ entries }: Attested): string {
  const entry = entries.find(({ content }) => content.selectors.some((one) => kindOf(one) === "join_token:name"));
  if (entry !== undefined) return entry.entryId;
  throw new BrokerError("NOT_ENTITLED", "only an entry that a join token attests is renewed; others attest anew");
}
