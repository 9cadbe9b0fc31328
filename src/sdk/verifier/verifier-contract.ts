import type { Action } from "../../domain/grant.ts";
import type { ToolDefinition } from "../../domain/tool-definition.ts";
import type { Possession } from "../../verify/confirmation-claim.ts";
import type { VerificationError } from "../../verify/verification-error.ts";
import type { CheckedCall, CheckOptions } from "./call-check.ts";
import type { StepSignal } from "./denial-signals.ts";
import type { Unfitness } from "./freshness.ts";
import type { PresentedRequest } from "./presented-credentials.ts";
import type { ReadyOptions } from "./ready.ts";
import type { ToolReportOptions, ToolVerdict } from "./tool-reporter.ts";
import type { ToolUse } from "./tool-use.ts";
import type { UsageOutcome } from "./usage-reporter.ts";
import type { VerifiedPeer } from "./verified-peer.ts";
import type { RequestOptions, VerifiedRequest } from "./verified-request.ts";
import type { Verified, VerifiedStep } from "./verified-step.ts";

export type TokenOptions = {
  readonly audience?: string;
  readonly actions?: readonly Action[];
  readonly confirmation?: Possession;
};

export type VerifierStatus = {
  /** Of status lists: whether everything that was fetched last was had. */
  readonly connected: boolean;
  /** Why what has the strictest bound is refused at present; `undefined` when nothing is. */
  readonly refusal: Unfitness | undefined;
  /** Since when nothing is known, in seconds, of status lists by the oldest in use; `undefined` before the first deny-list. */
  readonly stalenessSeconds: number | undefined;
  /** How far this machine's clock is ahead of the broker's, in seconds; `undefined` where nothing tells. */
  readonly clockOffsetSeconds: number | undefined;
  readonly bundles: number;
  /** Names on the deny-list; a step has two. Of status lists in use: tokens that are not valid. */
  readonly denied: number;
  /** Kinds of calls that wait to be reported, and calls that were left out since; absent where none are reported. */
  readonly usage?: { readonly waiting: number; readonly gap: number };
  /** What ended the last stream, or kept a document from being had, in a few words. */
  readonly lastError: string | undefined;
};

export type Verifier = AsyncDisposable & {
  /**
   * Has at hand what it takes to judge what was presented, as far as it can be had: of status lists the one that its token is in, no
   * older than the list allows. Await it before `verify` or `verifyRequest`, which look at nothing but what is at hand: without it the
   * first token of a list is refused as NOT_READY. Fetches nothing for a token that nobody trusted has signed. By the feed everything is at
   * hand, and nothing is waited for. The guards of `stint-sdk/mcp` await it themselves.
   *
   * @returns resolves whatever came of it; never rejects.
   */
  learn(presented: string | PresentedRequest): Promise<void>;
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
   * loosest bound. Its expiry was for beginning and ends nothing, but for a foreign step, of whose end nobody tells, and by status
   * lists, which tell nothing of a token that has expired.
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
