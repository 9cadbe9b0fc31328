import { invalidField } from "../../domain/errors.ts";
import { ACTIONS, type Action } from "../../domain/grant.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { TrustDomain } from "../../domain/spiffe-id.ts";
import { addSeconds, type UnixSeconds } from "../../domain/time.ts";
import type { ToolDefinition } from "../../domain/tool-definition.ts";
import type { Possession } from "../../verify/confirmation-claim.ts";
import { verifyJwtSvid } from "../../verify/jwt-svid.ts";
import { createKnownSignatures } from "../../verify/known-signatures.ts";
import { verifyTxnToken } from "../../verify/txn-token.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { verifyWitSvid } from "../../verify/wit-svid.ts";
import { verifyX509Svid } from "../../verify/x509-svid.ts";
import { type CheckedCall, type CheckOptions, createCallCheck, type PresentedTexts } from "./call-check.ts";
import { instantOf } from "./clock.ts";
import { createDenialSignals, type StepSignal } from "./denial-signals.ts";
import type { DenyKey } from "./deny-list.ts";
import { type FeedFailure, startFeedClient } from "./feed-client.ts";
import { type Applied, createFeedState } from "./feed-state.ts";
import { boundMsOf, clockOffsetMs, stalenessMs, type Unfitness, unfitness } from "./freshness.ts";
import { createKeptWithin } from "./kept-within.ts";
import type { PresentedRequest } from "./presented-credentials.ts";
import { createProofState } from "./proof-settings.ts";
import { type Readiness, type ReadyOptions, waitUntilReady } from "./ready.ts";
import { type VerifierOptions, verifierSettingsOf } from "./settings.ts";
import { createToolReporter, type ToolReportOptions, type ToolVerdict } from "./tool-reporter.ts";
import { checkToolUse, coverageOfUse, type ToolUse } from "./tool-use.ts";
import { createUsageReporter, type UsageOutcome } from "./usage-reporter.ts";
import { type VerifiedPeer, verifiedPeerOf } from "./verified-peer.ts";
import type { RequestOptions, VerifiedRequest } from "./verified-request.ts";
import {
  denyKeysOf,
  refusalOf,
  type Verified,
  type VerifiedStep,
  type VerifiedWorkload,
  verifiedStepOf,
  verifiedTransactionOf,
  verifiedWorkloadOf,
} from "./verified-step.ts";
import { verifyRequest } from "./verify-request.ts";

export type VerifierStatus = {
  readonly connected: boolean;
  /** Why what has the strictest bound is refused at present; `undefined` when nothing is. */
  readonly refusal: Unfitness | undefined;
  /** Since when nothing is known, in seconds; `undefined` before the first deny-list. */
  readonly stalenessSeconds: number | undefined;
  /** How far this machine's clock is ahead of the broker's, in seconds. */
  readonly clockOffsetSeconds: number | undefined;
  readonly bundles: number;
  /** Names on the deny-list; a step has two. */
  readonly denied: number;
  /** Kinds of calls that wait to be reported, and calls that were left out since; absent where none are reported. */
  readonly usage?: { readonly waiting: number; readonly gap: number };
  /** What ended the last stream, in a few words. */
  readonly lastError: string | undefined;
};

type TokenOptions = {
  readonly audience?: string;
  readonly actions?: readonly Action[];
  readonly confirmation?: Possession;
};

export type Verifier = AsyncDisposable & {
  /**
   * Verifies a step's JWT-SVID: signature, audience, time, and that neither step nor token is denied.
   *
   * @param options.audience - one of the verifier's own; default: any of them.
   * @param options.actions - hold it to the staleness bound of these. Default: the loosest bound, so that whoever acts
   *   on the result calls `authorize` first, which has its own.
   * @param options.confirmation - what the caller has had proved; a bound token is refused without it. Default: nothing.
   * @throws VerificationError
   */
  verify(token: string, options?: TokenOptions): VerifiedStep;
  /**
   * Verifies whatever a request brings: a Bearer token, also one that is bound to the certificate of its connection; a DPoP
   * token with its proof; a WIT-SVID with its proof, alone or with a transaction token that says what its step may do. A
   * proof is taken once.
   *
   * @throws VerificationError
   * @see RFC 6750, RFC 8705 section 3, RFC 9449 section 7, draft-ietf-wimse-wpt, draft-ietf-oauth-transaction-tokens
   */
  verifyRequest(request: PresentedRequest, options?: RequestOptions): VerifiedRequest;
  /**
   * Verifies the X.509-SVID of a step, or of infrastructure: its path to an authority of its own trust domain, its profile, its
   * time without leeway, and that neither step nor certificate is denied. Whoever presents it must have proved possession of
   * its key, as a TLS handshake does.
   *
   * @param chain - DER, leaf first.
   * @param options.actions - hold it to the staleness bound of these. Default: the loosest bound.
   * @throws VerificationError
   */
  verifyX509(chain: readonly Uint8Array[], options?: { readonly actions?: readonly Action[] }): VerifiedPeer;
  /**
   * Whether the step may do this now: granted by one element, not expired or denied since it was verified, and the feed
   * fresh enough for these actions.
   *
   * @throws VerificationError GRANT_EXCEEDED, EXPIRED, REVOKED, STALE, CLOCK_SKEWED or NOT_READY; CHECK_REQUIRED when all
   *   this holds, but the grant says how often
   */
  authorize(verified: VerifiedStep, use: ToolUse): void;
  /**
   * Asks the broker about one call, by its policies and all that it knows at this moment: for calls of high risk, and for
   * grants that say how often. Everything that `authorize` looks at holds too. An allowed call has been counted: make it
   * once, or not at all.
   *
   * @throws VerificationError what `authorize` does, but for CHECK_REQUIRED; POLICY_DENIED; UNAVAILABLE or OVERLOADED when
   *   the broker gives no answer in time; BrokerError INVALID_FIELD; the signal's reason
   */
  check(verified: VerifiedStep, use: ToolUse, options?: CheckOptions): Promise<CheckedCall>;
  /**
   * Counts a call for the broker's history, where the verifier was created with `reportUsage`; else does nothing. Never
   * waits, and never throws. A guard reports by itself.
   */
  report(verified: VerifiedStep, use: ToolUse, outcome: UsageOutcome): void;
  /**
   * Whether what was verified may still be served, whatever it does: neither denied since nor too old to tell by the
   * loosest bound. Its expiry was for beginning and ends nothing, but for a foreign step, of whose end nobody tells.
   *
   * @throws VerificationError EXPIRED, REVOKED, STALE, CLOCK_SKEWED or NOT_READY
   */
  recheck(verified: Verified): void;
  /**
   * A signal that aborts when the step or its credential is denied; aborted already if it is. Neither its expiry nor
   * a feed that is lost aborts it: what was admitted in time runs on until its step ends.
   */
  signalFor(verified: Verified): StepSignal;
  /** Calls once when the step or its credential is denied. @returns what ends the listening. */
  onClosed(verified: Verified, listener: (reason: VerificationError) => void): () => void;
  /**
   * Tells the broker what tools the server of one of the verifier's audiences shows, and learns which of them may be served as they are. The
   * broker is sent what it does not know, and is asked by digests otherwise, so this may be called at any time.
   *
   * @param tools - no tool twice.
   * @returns a verdict on each tool.
   * @throws VerificationError UNAVAILABLE or OVERLOADED when the broker gives no answer in time; BrokerError INVALID_FIELD
   */
  reportTools(
    tools: readonly ToolDefinition[],
    options?: ToolReportOptions & { readonly audience?: string },
  ): Promise<ReadonlyMap<string, ToolVerdict>>;
  /** Resolves when the deny-list, a bundle and the broker's time are there; see `waitUntilReady` for when it rejects. */
  ready(options?: ReadyOptions): Promise<void>;
  status(): VerifierStatus;
  /** The public key of `receiptKeyFile`, for the verifier's entry; `undefined` where nothing is signed. */
  readonly receiptKey: string | undefined;
  /** Ends the feed. From then on everything is refused as NOT_READY, and no signal aborts any more. */
  close(): void;
};

/**
 * A verifier for what agents' steps present, kept up to date by the broker's feed: it refuses what ended within
 * milliseconds while connected, and everything once it has been without the feed for longer than its bounds.
 *
 * @throws BrokerError INVALID_FIELD
 * @see contracts section 3
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const settings = verifierSettingsOf(options);
  const { clock } = settings;
  const proofs = createProofState(settings.proofs);
  const state = createFeedState();
  const trust = { development: settings.development, known: createKnownSignatures() };
  const signals = createDenialSignals();
  const calls = createCallCheck(settings.endpoint);
  const toolReporter = createToolReporter(settings.endpoint);
  const usage = settings.reportUsage ? createUsageReporter(settings.endpoint, clock) : undefined;
  /** The texts that the broker is asked about. Apart from what was verified, which is logged and handed on. */
  const texts = createKeptWithin<VerifiedStep, PresentedTexts>();
  const witTexts = createKeptWithin<VerifiedWorkload, string>();
  const waiting = new Set<() => void>();
  const boundMs = (actions: readonly Action[]) => boundMsOf(settings.maxStalenessSeconds, actions);
  const loosestMs = boundMs([]);
  let closed = false;
  let failure: FeedFailure | undefined;

  const feed = startFeedClient({
    endpoint: settings.endpoint,
    audiences: settings.audiences,
    maxStalenessSeconds: loosestMs / 1_000,
    clock,
    state,
    receiptKey: settings.receiptKey,
    onApplied,
    onFailed(failed) {
      failure = failed;
      wakeWaiting();
    },
  });

  function onApplied(applied: Applied): void {
    failure = undefined;
    for (const key of applied.denied) {
      const entry = state.denyList.find([key]);
      if (entry !== undefined) signals.abort(key, refusalOf(entry));
    }
    if (refusalWithin(loosestMs) === undefined) wakeWaiting();
  }

  function wakeWaiting(): void {
    for (const wake of waiting) wake();
  }

  function refusalWithin(bound: number): Unfitness | undefined {
    return closed ? "NOT_READY" : unfitness(state.confirmation, instantOf(clock), bound);
  }

  function checkFitness(actions: readonly Action[]): void {
    const refusal = refusalWithin(boundMs(actions));
    if (refusal !== undefined) throw new VerificationError(refusal, UNFIT[refusal]);
  }

  function checkNotDenied(keys: readonly DenyKey[]): void {
    const entry = state.denyList.find(keys);
    if (entry !== undefined) throw refusalOf(entry);
  }

  function isFederated(trustDomain: TrustDomain): boolean {
    return state.bundles.get(trustDomain)?.federated ?? true;
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
      bundles: state.bundles,
      now: nowSeconds(),
      ...trust,
      allowSeveralAudiences: settings.allowSeveralAudiences,
      ...(request.confirmation === undefined ? {} : { confirmation: request.confirmation }),
    });
    const { trustDomain } = verified;
    const step = verifiedStepOf(verified, { federated: isFederated(trustDomain), grants: doGrantsCount(trustDomain) });
    checkNotDenied(denyKeysOf(step));
    texts.set(step, { case: "jwtSvid", value: token });
    return step;
  }

  function verifyWit(token: string, request: RequestOptions): VerifiedWorkload {
    checkFitness(request.actions ?? []);
    const verified = verifyWitSvid(token, { bundles: state.bundles, now: nowSeconds(), ...trust });
    const { trustDomain } = verified;
    const issuer = state.bundles.get(trustDomain)?.issuer;
    const workload = verifiedWorkloadOf(verified, { federated: isFederated(trustDomain), issuer });
    checkNotDenied(denyKeysOf(workload));
    witTexts.set(workload, token);
    return workload;
  }

  function verifyTxn(token: string, workload: VerifiedWorkload, request: RequestOptions): VerifiedStep {
    const audiences = audiencesOf(request);
    const verified = verifyTxnToken(token, { bundles: state.bundles, audiences, now: nowSeconds(), ...trust });
    const step = verifiedTransactionOf(verified, workload);
    checkNotDenied(denyKeysOf(step));
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
    const verified = verifyX509Svid(chain, { bundles: state.bundles, now: nowSeconds(), development });
    const peer = verifiedPeerOf(verified, isFederated(verified.trustDomain));
    checkNotDenied(denyKeysOf(peer));
    return peer;
  }

  function checkNotExpired({ expiresAt }: Verified): void {
    if (nowSeconds() < addSeconds(expiresAt, LIMITS.verifierLeewaySeconds)) return;
    throw new VerificationError("EXPIRED", "the token has expired");
  }

  function recheck(verified: Verified): void {
    checkFitness([]);
    checkNotDenied(denyKeysOf(verified));
    if (verified.federated) checkNotExpired(verified);
  }

  function authorize(verified: VerifiedStep, use: ToolUse): void {
    checkToolUse(use);
    checkFitness(use.actions);
    checkNotDenied(denyKeysOf(verified));
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

  function signalFor(verified: Verified): StepSignal {
    const keys = denyKeysOf(verified);
    const entry = state.denyList.find(keys);
    return signals.watch(keys, entry === undefined ? undefined : refusalOf(entry));
  }

  function onClosed(verified: Verified, listener: (reason: VerificationError) => void): () => void {
    const watched = signalFor(verified);
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
    endpoint: settings.endpoint,
    clock,
    waiting,
    state: () => (closed ? "closed" : refusalWithin(loosestMs) === undefined ? "ready" : "waiting"),
    failure: () => failure,
    isConnected: () => feed.status().connected,
  };

  function close(): void {
    closed = true;
    feed.close();
    calls.close();
    toolReporter.close();
    usage?.close();
    wakeWaiting();
  }

  return {
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
    signalFor,
    onClosed,
    ready: (waitOptions = {}) => waitUntilReady(readiness, waitOptions),
    status() {
      const now = instantOf(clock);
      const { confirmation } = state;
      return {
        ...feed.status(),
        refusal: refusalWithin(boundMs(ACTIONS)),
        stalenessSeconds: confirmation === undefined ? undefined : stalenessMs(confirmation, now) / 1_000,
        clockOffsetSeconds: confirmation === undefined ? undefined : clockOffsetMs(confirmation, now) / 1_000,
        bundles: state.bundles.size,
        denied: state.denyList.size,
        ...(usage === undefined ? {} : { usage: usage.status() }),
      };
    },
    receiptKey: settings.receiptKey?.publicKey,
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
