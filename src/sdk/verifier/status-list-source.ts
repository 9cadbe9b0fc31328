import type { TrustDomain } from "../../domain/spiffe-id.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import { signedClaimsOf } from "../../verify/jwt-svid.ts";
import type { KnownSignatures } from "../../verify/known-signatures.ts";
import { timesOf } from "../../verify/registered-claims.ts";
import { statusOf } from "../../verify/status-list-token.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { instantOf, type VerifierClock } from "./clock.ts";
import { ageMs } from "./freshness.ts";
import type { IssuerPlace } from "./issuer-document.ts";
import { keepIssuerKeys } from "./issuer-keys.ts";
import type { RevocationSource, SourceEvents } from "./revocation-source.ts";
import { keepStatusLists } from "./status-lists.ts";
import type { Verified, VerifiedStep } from "./verified-step.ts";

export type StatusListSourceOptions = SourceEvents & {
  readonly issuer: string;
  readonly trustDomain: TrustDomain;
  readonly place: IssuerPlace;
  readonly clock: VerifierClock;
  readonly trust: { readonly development: boolean; readonly known: KnownSignatures };
};

/** The broker's status lists: each token says in which one it is, and nothing is told of anything else. */
export function statusListSource(options: StatusListSourceOptions): RevocationSource {
  const { issuer, trustDomain, place, clock, trust } = options;
  const keys = keepIssuerKeys({ issuer, trustDomain, place, clock, onFetched: options.onChange });
  const lists = keepStatusLists({ issuer, place, keys, clock });

  const unfitness: RevocationSource["unfitness"] = (boundMs) => {
    if (keys.sent === undefined) return "NOT_READY";
    return ageMs(keys.sent, instantOf(clock)) <= boundMs ? undefined : "STALE";
  };

  return {
    bundles: keys.bundles,
    outlastsTokens: false,
    unfitness,
    checkNotEnded: (verified, boundMs) => lists.checkValid(statusOf(stepOf(verified).claims, issuer), boundMs),
    async learn(token) {
      const status = statusIn(token);
      if (status !== undefined) await lists.learn(status);
    },
    signalFor: (verified) => lists.watch(statusOf(stepOf(verified).claims, issuer)),
    status(boundMs) {
      const now = instantOf(clock);
      const { sent, failure } = keys;
      const ofLists = lists.state(now, boundMs);
      const lastError = failure ?? ofLists.failure;
      return {
        connected: sent !== undefined && lastError === undefined,
        refusal: unfitness(boundMs) ?? ofLists.refusal,
        stalenessSeconds: sent === undefined ? undefined : Math.max(ageMs(sent, now), ofLists.ageMs) / 1_000,
        clockOffsetSeconds: undefined,
        denied: ofLists.invalid,
        lastError,
      };
    },
    lastingFault: () => undefined,
    awaited: () => `the keys of the broker at ${place.url}${keys.failure === undefined ? "" : ` (${keys.failure})`}`,
    close() {
      keys.close();
      lists.close();
    },
  };

  /** Of a token that holds so far: nothing is fetched for whoever can write one of their own. */
  function statusIn(token: string) {
    try {
      const { claims } = signedClaimsOf(token, { bundles: keys.bundles, ...trust });
      timesOf(claims, Math.floor(clock.wallMs() / 1_000) as UnixSeconds);
      return statusOf(claims, issuer);
    } catch (thrown) {
      if (thrown instanceof VerificationError) return undefined;
      throw thrown;
    }
  }
}

/** @throws VerificationError for what is in no list, and so would be good however its step has ended. */
function stepOf(verified: Verified): VerifiedStep {
  if ("serialNumber" in verified) {
    throw new VerificationError("CERTIFICATE_INVALID", `${UNTOLD} X.509-SVIDs, but only of JWT-SVIDs`);
  }
  if (!("audience" in verified) || verified.provedBy !== undefined) {
    throw new VerificationError("CLAIMS_INVALID", `${UNTOLD} WIT-SVIDs, but only of JWT-SVIDs`);
  }
  return verified;
}

const UNTOLD = "status lists tell this verifier nothing of";
