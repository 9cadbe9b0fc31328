import { invalidField } from "../../domain/errors.ts";
import { ACTIONS, type Action } from "../../domain/grant.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { TrustDomain } from "../../domain/spiffe-id.ts";
import { addSeconds, type UnixSeconds } from "../../domain/time.ts";
import { verifyJwtSvid } from "../../verify/jwt-svid.ts";
import { createKnownSignatures } from "../../verify/known-signatures.ts";
import { verifyTxnToken } from "../../verify/txn-token.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { verifyWitSvid } from "../../verify/wit-svid.ts";
import { verifyX509Svid } from "../../verify/x509-svid.ts";
import { brokerCallsOf } from "./broker-calls.ts";
import type { CheckedCall, CheckOptions, PresentedTexts } from "./call-check.ts";
import { feedSource } from "./feed-source.ts";
import { boundMsOf, type Unfitness } from "./freshness.ts";
import { createKeptWithin } from "./kept-within.ts";
import { natsSource } from "./nats-source.ts";
import { pollSource } from "./poll-source.ts";
import { presentedToken } from "./presented-credentials.ts";
import { createProofState } from "./proof-settings.ts";
import { type Readiness, waitUntilReady } from "./ready.ts";
import type { RevocationSource } from "./revocation-source.ts";
import { type VerifierOptions, verifierSettingsOf } from "./settings.ts";
import { statusListSource } from "./status-list-source.ts";
import { checkToolUse, coverageOfUse, type ToolUse } from "./tool-use.ts";
import { verifiedPeerOf } from "./verified-peer.ts";
import type { RequestOptions } from "./verified-request.ts";
import {
  type Verified,
  type VerifiedStep,
  type VerifiedWorkload,
  verifiedStepOf,
  verifiedTransactionOf,
  verifiedWorkloadOf,
} from "./verified-step.ts";
import type { TokenOptions, Verifier } from "./verifier-contract.ts";
import { verifyRequest } from "./verify-request.ts";

/**
 * A verifier for what agents' steps present, kept up to date by the broker's feed: it refuses what ended within
 * milliseconds while connected, and everything once what it knows is older than its bounds. By status lists it refuses
 * what ended within seconds.
 *
 * @throws BrokerError INVALID_FIELD
 * @see contracts section 3
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const settings = verifierSettingsOf(options);
  const { clock, heardBy } = settings;
  const proofs = createProofState(settings.proofs);
  const trust = { development: settings.development, known: createKnownSignatures() };
  const { calls, toolReporter, usage } = brokerCallsOf(settings);
  /** The texts that the broker is asked about. Apart from what was verified, which is logged and handed on. */
  const texts = createKeptWithin<VerifiedStep, PresentedTexts>();
  const witTexts = createKeptWithin<VerifiedWorkload, string>();
  const waiting = new Set<() => void>();
  const boundMs = (actions: readonly Action[]) => boundMsOf(settings.maxStalenessSeconds, actions);
  const loosestMs = boundMs([]);
  let closed = false;

  const { audiences, receiptKey } = settings;
  const source = sourceOf();
  const { bundles } = source;

  function sourceOf(): RevocationSource {
    switch (heardBy.kind) {
      case "feed":
        return feedSource({ ...heardBy, audiences, loosestMs, clock, receiptKey, onChange: wakeWaiting });
      case "status-list":
        return statusListSource({ ...heardBy, clock, trust, onChange: wakeWaiting });
      case "poll":
        return pollSource({ ...heardBy, audiences, clock, onChange: wakeWaiting });
      case "nats":
        return natsSource({ ...heardBy, clock, onChange: wakeWaiting });
    }
  }

  function wakeWaiting(): void {
    for (const wake of waiting) wake();
  }

  function refusalWithin(bound: number): Unfitness | undefined {
    return closed ? "NOT_READY" : source.unfitness(bound);
  }

  function checkFitness(actions: readonly Action[]): void {
    const refusal = refusalWithin(boundMs(actions));
    if (refusal !== undefined) throw new VerificationError(refusal, UNFIT[refusal]);
  }

  function isFederated(trustDomain: TrustDomain): boolean {
    return bundles.get(trustDomain)?.federated ?? true;
  }

  function doGrantsCount(trustDomain: TrustDomain): boolean {
    return !isFederated(trustDomain) || settings.grantsFrom.has(trustDomain);
  }

  function nowSeconds(): UnixSeconds {
    return Math.floor(clock.wallMs() / 1_000) as UnixSeconds;
  }

  function verify(token: string, request: TokenOptions = {}): VerifiedStep {
    const audiences = audiencesOf(request);
    checkFitness(request.actions ?? []);
    const verified = verifyJwtSvid(token, {
      audiences,
      bundles,
      now: nowSeconds(),
      ...trust,
      allowSeveralAudiences: settings.allowSeveralAudiences,
      ...(request.confirmation === undefined ? {} : { confirmation: request.confirmation }),
    });
    const { trustDomain } = verified;
    const step = verifiedStepOf(verified, { federated: isFederated(trustDomain), grants: doGrantsCount(trustDomain) });
    source.checkNotEnded(step, boundMs(request.actions ?? []));
    texts.set(step, { case: "jwtSvid", value: token });
    return step;
  }

  function verifyWit(token: string, request: RequestOptions): VerifiedWorkload {
    checkFitness(request.actions ?? []);
    const verified = verifyWitSvid(token, { bundles, now: nowSeconds(), ...trust });
    const { trustDomain } = verified;
    const issuer = bundles.get(trustDomain)?.issuer;
    const workload = verifiedWorkloadOf(verified, { federated: isFederated(trustDomain), issuer });
    source.checkNotEnded(workload, boundMs(request.actions ?? []));
    witTexts.set(workload, token);
    return workload;
  }

  function verifyTxn(token: string, workload: VerifiedWorkload, request: RequestOptions): VerifiedStep {
    const audiences = audiencesOf(request);
    const verified = verifyTxnToken(token, { bundles, audiences, now: nowSeconds(), ...trust });
    const step = verifiedTransactionOf(verified, workload);
    source.checkNotEnded(step, boundMs(request.actions ?? []));
    const witSvid = witTexts.get(workload);
    if (witSvid !== undefined) texts.set(step, { case: "witSvid", value: { witSvid, txnToken: token } });
    return step;
  }

  function audiencesOf({ audience }: Pick<RequestOptions, "audience">): readonly string[] {
    if (audience === undefined) return settings.audiences;
    // Denials for others are not sent, so a token for them would pass unwatched.
    if (!settings.audiences.includes(audience)) {
      throw invalidField("audience", "one of those that the verifier was created with");
    }
    return [audience];
  }

  function verifyX509(chain: readonly Uint8Array[], request: { readonly actions?: readonly Action[] } = {}) {
    checkFitness(request.actions ?? []);
    const { development } = settings;
    const verified = verifyX509Svid(chain, { bundles, now: nowSeconds(), development });
    const peer = verifiedPeerOf(verified, isFederated(verified.trustDomain));
    source.checkNotEnded(peer, boundMs(request.actions ?? []));
    return peer;
  }

  function checkNotExpired({ expiresAt }: Verified): void {
    if (nowSeconds() < addSeconds(expiresAt, LIMITS.verifierLeewaySeconds)) return;
    throw new VerificationError("EXPIRED", "the token has expired");
  }

  function recheck(verified: Verified): void {
    checkFitness([]);
    source.checkNotEnded(verified, loosestMs);
    if (verified.federated || !source.outlastsTokens) checkNotExpired(verified);
  }

  function authorize(verified: VerifiedStep, use: ToolUse): void {
    checkToolUse(use);
    checkFitness(use.actions);
    source.checkNotEnded(verified, boundMs(use.actions));
    checkNotExpired(verified);
    if (!doGrantsCount(verified.trustDomain)) {
      throw new VerificationError(
        "GRANT_EXCEEDED",
        "the step is of a foreign trust domain, whose grants do not count here",
      );
    }
    const { isCovered, counted, isOfOtherDefinition } = coverageOfUse(verified, use);
    if (!isCovered)
      throw new VerificationError(
        "GRANT_EXCEEDED",
        isOfOtherDefinition
          ? "the grant is for another definition of the tool, and this one takes a step that was opened for it"
          : "the grant of the step does not permit this, which takes a step that was opened for it",
      );
    // Last of all, so that whoever has asked already knows that everything else holds.
    if (counted.length > 0) {
      throw new VerificationError("CHECK_REQUIRED", "the grant allows so many calls only, and the broker counts them");
    }
  }

  async function check(verified: VerifiedStep, use: ToolUse, checkOptions: CheckOptions = {}): Promise<CheckedCall> {
    try {
      authorize(verified, use);
    } catch (thrown) {
      if (!(thrown instanceof VerificationError && thrown.code === "CHECK_REQUIRED")) throw thrown;
    }
    if (verified.federated) {
      throw new VerificationError("POLICY_DENIED", "the broker decides nothing for steps of foreign trust domains");
    }
    const credential = texts.get(verified);
    if (credential === undefined) throw invalidField("verified", "a step as this verifier has verified it");
    return calls.ask({ ...use, credential, location: verified.audience }, checkOptions);
  }

  function onClosed(verified: Verified, listener: (reason: VerificationError) => void): () => void {
    const watched = source.signalFor(verified);
    const { signal } = watched;
    const tell = () => listener(signal.reason as VerificationError);
    if (signal.aborted) queueMicrotask(tell);
    else signal.addEventListener("abort", tell, { once: true });
    return () => {
      signal.removeEventListener("abort", tell);
      watched[Symbol.dispose]();
    };
  }

  const readiness: Readiness = {
    source,
    clock,
    waiting,
    state: () => (closed ? "closed" : refusalWithin(loosestMs) === undefined ? "ready" : "waiting"),
  };

  function close(): void {
    closed = true;
    source.close();
    calls.close();
    toolReporter.close();
    usage?.close();
    wakeWaiting();
  }

  return {
    async learn(presented) {
      if (source.learn === undefined) return;
      const token = typeof presented === "string" ? presented : presentedToken(presented);
      if (token !== undefined) await source.learn(token);
    },
    verify,
    verifyRequest: (request, options = {}) =>
      verifyRequest(
        { proofs, now: nowSeconds, jwtSvid: verify, witSvid: verifyWit, txnToken: verifyTxn },
        request,
        options,
      ),
    verifyX509,
    authorize,
    check,
    report({ jti, federated }, { tool, actions }, outcome) {
      // Of a foreign step the broker knows no credential.
      if (!federated) usage?.add({ jti, tool, actions, outcome });
    },
    async reportTools(tools, { audience, ...reportOptions } = {}) {
      const [location = ""] = audiencesOf(audience === undefined ? {} : { audience });
      return toolReporter.report(location, tools, reportOptions);
    },
    recheck,
    signalFor: source.signalFor,
    onClosed,
    ready: (waitOptions = {}) => waitUntilReady(readiness, waitOptions),
    status() {
      const status = source.status(boundMs(ACTIONS));
      return {
        ...status,
        refusal: closed ? "NOT_READY" : status.refusal,
        bundles: bundles.size,
        ...(usage === undefined ? {} : { usage: usage.status() }),
      };
    },
    receiptKey: receiptKey?.publicKey,
    close,
    async [Symbol.asyncDispose]() {
      await usage?.flush();
      close();
    },
  };
}

const UNFIT = {
  NOT_READY: "the verifier has no revocations or keys yet",
  STALE: "the revocations known to the verifier are out of date",
  CLOCK_SKEWED: "the clock of the verifier is not that of the broker",
} as const;
