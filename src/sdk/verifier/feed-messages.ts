import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { parseSpiffeBundle } from "../../domain/bundle.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { parseSpiffeId, pathOf, type TrustDomain, trustDomainOf } from "../../domain/spiffe-id.ts";
import { STEP_STATES } from "../../domain/step.ts";
import { parseTxnTokenKeySet } from "../../domain/txn-token-keys.ts";
import type { Denial, WatchResponse_Bundle } from "../../gen/stint/v1/revocations_pb.js";
import { StepState } from "../../gen/stint/v1/types_pb.js";
import { type JwtBundle, verificationKeysOf } from "../../verify/verification-keys.ts";
import { type X509Bundle, x509AuthoritiesOf } from "../../verify/x509-svid.ts";
import { certificateKey, type DenyKey, type DenyListEntry, jwtKey, spiffeIdHashKey, stepKey } from "./deny-list.ts";

/** What `stint dev` calls its trust domain; not believed outside development even of a broker that does not say so. */
const DEVELOPMENT_TRUST_DOMAIN = "stint-dev.invalid";

export function isDevelopmentTrustDomain(trustDomain: TrustDomain): boolean {
  return trustDomain === DEVELOPMENT_TRUST_DOMAIN;
}

const SHA256_BYTES = 32;

/**
 * A denial off the wire.
 *
 * @throws BrokerError INVALID_FIELD when it names nothing, or nothing that this version knows: what was meant to be
 *   denied would be let in
 */
export function denyListEntryOf(denial: Denial): DenyListEntry {
  return {
    keys: keysOf(denial),
    reason: denial.reason,
    // A broker sends a state with a credential too, which says nothing of the step: the step may go on.
    state: denial.subject.case === "step" ? stateOf(denial.state) : undefined,
    sequence: denial.sequence,
    forgetAfterMs: denial.forgetAfter === undefined ? Number.POSITIVE_INFINITY : unixMsOf(denial.forgetAfter),
  };
}

function keysOf({ subject }: Denial): readonly DenyKey[] {
  switch (subject.case) {
    case "step": {
      const { stepId, spiffeIdSha256 } = subject.value;
      if (stepId === "" || spiffeIdSha256.length !== SHA256_BYTES) {
        throw invalidField("denial.step", "a step id and the SHA-256 of its SPIFFE ID");
      }
      return [stepKey(stepId), spiffeIdHashKey(Buffer.from(spiffeIdSha256).toString("hex"))];
    }
    case "jwt": {
      const { issuer, jti } = subject.value;
      if (issuer === "" || jti === "") throw invalidField("denial.jwt", "an issuer and a jti");
      return [jwtKey(issuer, jti)];
    }
    case "certificate": {
      // No issuer stands for any: that of a retired authority is not known any more, and its serial numbers are unique.
      const { issuer, serialNumber } = subject.value;
      if (serialNumber === "") throw invalidField("denial.certificate", "a serial number");
      return [certificateKey(issuer, serialNumber)];
    }
    case undefined:
      throw invalidField("denial.subject", "a step, a JWT-SVID or a certificate");
  }
}

function stateOf(state: StepState): string | undefined {
  if (state === StepState.UNSPECIFIED) return undefined;
  return STEP_STATES.find((name) => StepState[name] === state) ?? "UNKNOWN";
}

/** A broker's time in Unix milliseconds, rounded up: later is safer for what must not be forgotten. */
export function unixMsOf(timestamp: Timestamp): number {
  return Number(timestamp.seconds) * 1_000 + Math.ceil(timestamp.nanos / 1_000_000);
}

/** What verifies the credentials of one trust domain. */
export type TrustBundle = JwtBundle &
  X509Bundle & {
    /** Of a foreign trust domain: what ends there is not told here. */
    readonly federated: boolean;
  };

/**
 * The keys of a trust domain off the wire. A document that is no bundle leaves the trust domain without keys: its SVIDs
 * are refused, those of others are not.
 *
 * @throws BrokerError INVALID_FIELD when it names no trust domain
 */
export function trustBundleOf(bundle: WatchResponse_Bundle): TrustBundle {
  const trustDomain = trustDomainNamed(bundle.trustDomain);
  return {
    trustDomain,
    ...keysOfDocument(bundle.jwks),
    // A transaction token holds in its own trust domain alone, whatever a foreign one might send.
    ...(bundle.federated ? {} : { txnTokenKeys: txnTokenKeysOf(bundle.txnTokenJwks) }),
    ...(bundle.issuer === "" ? {} : { issuer: bundle.issuer }),
    federated: bundle.federated,
    development: bundle.development || isDevelopmentTrustDomain(trustDomain),
  };
}

function keysOfDocument(document: Uint8Array): Pick<TrustBundle, "keys" | "witKeys" | "authorities"> {
  try {
    const { jwtKeys, witKeys, x509 } = parseSpiffeBundle(Buffer.from(document).toString("utf8"));
    return {
      keys: verificationKeysOf(jwtKeys),
      witKeys: verificationKeysOf(witKeys),
      authorities: x509AuthoritiesOf(x509),
    };
  } catch (thrown) {
    if (thrown instanceof BrokerError) return { keys: new Map(), authorities: [] };
    throw thrown;
  }
}

/** A broker that knows no transaction tokens sends nothing, and none is believed then. */
function txnTokenKeysOf(document: Uint8Array): NonNullable<TrustBundle["txnTokenKeys"]> {
  if (document.length === 0) return new Map();
  try {
    return verificationKeysOf(parseTxnTokenKeySet(Buffer.from(document).toString("utf8")));
  } catch (thrown) {
    if (thrown instanceof BrokerError) return new Map();
    throw thrown;
  }
}

function trustDomainNamed(text: string): TrustDomain {
  const id = parseSpiffeId(text, "bundle.trust_domain");
  if (pathOf(id) !== "") throw invalidField("bundle.trust_domain", "the SPIFFE ID of a trust domain, without a path");
  return trustDomainOf(id);
}
