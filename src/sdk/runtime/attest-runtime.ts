import { type KeyObject, X509Certificate } from "node:crypto";
import { Attestation, Renewals } from "../../gen/stint/v1/attestation_pb.js";
import type { X509Svid } from "../../gen/stint/v1/credentials_pb.js";
import { openServerTlsChannel, openTlsChannel, type ServerTrust, type TlsIdentity } from "../../wire/channel.ts";
import { createClient } from "../../wire/client.ts";
import { presentedEvidence } from "./attestation-evidence.ts";
import type { AttestationOptions } from "./attestation-options.ts";
import { certificateRequestOf, generateKey } from "./certificate-request.ts";
import { StintError } from "./stint-error.ts";
import { tlsIdentityOf } from "./tls-identity.ts";

/** An X.509-SVID of this runtime, with the key that was made for it in this process. */
export type AttestedSvid = {
  readonly identity: TlsIdentity;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
};

/** What the broker gives an attestation, and then some. */
const CALL_MS_MAX = 12_000;

/**
 * Shows the evidence and gets an SVID for a new key, over a connection that is closed again.
 *
 * @throws StintError NO_EVIDENCE, BROKER_FAILED; CallError, or the signal's reason
 */
export async function attestRuntime(
  { address, evidence: options, entry = "" }: AttestationOptions,
  trust: ServerTrust,
  signal: AbortSignal,
): Promise<AttestedSvid> {
  const { evidence, answer } = await presentedEvidence(options);
  const keys = await generateKey();
  const channel = openServerTlsChannel(address, trust);
  try {
    const call = createClient(Attestation, channel).attest({ signal, deadlineMs: CALL_MS_MAX });
    const csr = certificateRequestOf(keys);
    call.send({ message: { case: "claim", value: { evidence, csr, entry } } });
    for await (const { message } of call.responses) {
      if (message.case === "svid") {
        const attested = attestedSvidOf(message.value, keys.privateKey);
        const isOfTrustDomain = !("serverId" in trust) || attested.identity.serverId === trust.serverId;
        if (isOfTrustDomain) return attested;
        break;
      }
      if (message.case !== "challenge" || answer === undefined) break;
      call.send({ message: { case: "answer", value: answer(message.value, csr) } });
    }
    throw unexpected();
  } finally {
    channel.close();
  }
}

/**
 * Gets the next SVID, for a new key, by the present one.
 *
 * @throws StintError BROKER_FAILED; CallError, or the signal's reason
 */
export async function renewRuntime(
  brokerEndpoint: string,
  identity: TlsIdentity,
  signal: AbortSignal,
): Promise<AttestedSvid> {
  const keys = await generateKey();
  const channel = openTlsChannel(brokerEndpoint, identity);
  try {
    const renewals = createClient(Renewals, channel, { securityHeader: "broker.spiffe.io", deadlineMs: CALL_MS_MAX });
    const { svid } = await renewals.renew({ csr: certificateRequestOf(keys) }, { signal });
    return attestedSvidOf(svid, keys.privateKey);
  } finally {
    channel.close();
  }
}

function attestedSvidOf(svid: X509Svid | undefined, privateKey: KeyObject): AttestedSvid {
  const [leaf] = svid?.x509Svid ?? [];
  if (svid === undefined || leaf === undefined || svid.expiresAt === undefined) throw unexpected();
  if (!new X509Certificate(leaf).checkPrivateKey(privateKey)) throw unexpected();
  const { spiffeId, x509Svid: certificates, bundle } = svid;
  return {
    identity: tlsIdentityOf({ spiffeId, certificates, bundle, privateKey }),
    expiresAtMs: Number(svid.expiresAt.seconds) * 1_000,
  };
}

function unexpected(): StintError {
  return new StintError("BROKER_FAILED", "the broker's answer holds no X.509-SVID of this runtime");
}
