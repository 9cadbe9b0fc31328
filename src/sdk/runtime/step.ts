import type { Grant } from "../../domain/grant.ts";
import type { BoundTo } from "./binding.ts";
import type { CloseOptions, CloseResult } from "./close-step.ts";
import type { CredentialPipe, CredentialPipeOptions } from "./credential-pipe.ts";
import type { DelegationOptions, DelegationToken } from "./delegation-token.ts";
import type { ExchangedSecret } from "./exchanged-secret.ts";
import type { JwtSvid } from "./jwt-svid.ts";
import type { Outcome, OutcomeOf } from "./outcome.ts";
import type { StepFacts } from "./step-facts.ts";
import type { Fetch } from "./step-fetch.ts";
import type { TxnToken } from "./txn-token.ts";
import type { WitSvid } from "./wit-svid.ts";
import type { X509Svid } from "./x509-svid.ts";

/** What to open. `runId`, `step` and `agent` are SPIFFE path segments; `segment()` makes one of another id. */
export type OpenStepOptions = {
  readonly runId: string;
  readonly step: string;
  /** Absent: the first, or the one after the newest if that one is closed. */
  readonly attempt?: number | undefined;
  /** Absent: the client's. */
  readonly agent?: string | undefined;
  /** The workflow definition's name. Absent: the client's. */
  readonly workflow?: string | undefined;
  /** Recorded; decides nothing. */
  readonly purpose?: string | undefined;
  /** Absent: none, for a step that only identifies itself. */
  readonly grant?: Grant | undefined;
  /** Beyond the grant's locations, for JWT-SVIDs that only identify. */
  readonly audiences?: readonly string[] | undefined;
  /** Absent: 300 s from now. */
  readonly expiresAt?: Date | undefined;
  /** The step is ABANDONED when this long passes without a `renew()`. */
  readonly leaseSeconds?: number | undefined;
  /**
   * A delegation token that another runtime made for this one (`step.delegationToken`): the step is opened under the step
   * that the token is of, and ends with it. Absent: a step of its own, or a child of the step that opens it.
   */
  readonly parentToken?: string | undefined;
  /** An OIDC token of the human or service on whose behalf the step works. It is checked, and kept nowhere. */
  readonly principalToken?: string | undefined;
  /**
   * Which process may be issued the step's credentials. Absent: this one. With `tree`, also the processes that it starts
   * and that these start, where the agent's entry says `allow_executor_tree`: those of this process, or of another one.
   */
  readonly executor?: StepExecutor | undefined;
  /** Take the part of the grant that is permitted rather than be refused all of it. */
  readonly allowPartial?: boolean | undefined;
  /**
   * Wait where policies hold the step back until an operator approves it; otherwise such a step is refused POLICY_DENIED,
   * with the metadata `approval`. Credentials of `first` are then asked for when they are needed.
   */
  readonly acceptPending?: boolean | undefined;
  /** How long to wait for an approval, in milliseconds; then the request is taken back. Absent: as long as the broker does. */
  readonly approvalTimeoutMs?: number | undefined;
  /** The same id again gives the same step. Absent: a random one, so that trying again within one call is safe. */
  readonly requestId?: string | undefined;
  /** Credentials to bring along in the same round trip; for executor `self` or `tree`. One that is refused is asked for again later. */
  readonly first?: { readonly jwtSvids?: readonly string[]; readonly x509Svid?: boolean } | undefined;
} & HoldOptions;

/**
 * A proof, with every request, of a key that is made for the step in this process. `dpop`: the step's tokens are bound to the key, and worth
 * nothing without it. `wpt`: in place of a bearer token go a WIT-SVID, a proof of its key, and a transaction token with the grant.
 */
export type StepProof = (typeof STEP_PROOFS)[number];

export const STEP_PROOFS = ["dpop", "wpt"] as const;

export type StepExecutor = "self" | "any" | "tree" | { readonly pid: number; readonly tree?: boolean | undefined };

export type HoldOptions = {
  /** False: nobody holds it, so it lives until its expiry, its lease or its executor ends. Absent: true. */
  readonly hold?: boolean | undefined;
  /**
   * Ends the opening, which takes the step back as soon as the broker answers, and then aborts `step.signal`; the step itself ends
   * when it is closed.
   */
  readonly signal?: AbortSignal | undefined;
  /** How the step's `fetch` proves who sends a request. Absent: as the client says, or the parent. */
  readonly proof?: StepProof | undefined;
};

export type WithStepOptions = OpenStepOptions &
  CloseOptions & {
    /** For errors that are no failures, and results that are no completion. Absent: the client's. */
    readonly outcomeOf?: OutcomeOf | undefined;
  };

/** Attempt absent: the newest. */
export type ResumeStepOptions = HoldOptions &
  (
    | { readonly stepId: string }
    | { readonly runId: string; readonly step: string; readonly attempt?: number | undefined }
  );

/** A child works in its parent's run unless it says otherwise. */
export type InParentsRun<Options> = Omit<Options, "runId" | "parentToken"> & { readonly runId?: string | undefined };

/** An open step. Holds no credential that printing it would show. */
export type Step = StepFacts & {
  /**
   * Aborts when the step ends, whoever ended it, and when the signal it was opened with does. Its reason is a StintError
   * (STEP_CLOSED with the state, or HOLD_LOST), or that signal's own.
   */
  readonly signal: AbortSignal;
  /**
   * A JWT-SVID for one audience, kept and minted anew at two thirds of its life; callers at one time share one.
   *
   * @param options.grant - narrower than the step's grant at that audience; absent: all of it.
   * @param options.boundTo - without which it will be worth nothing: a key of `createDpopKey`, or an X.509-SVID. Absent: a
   *   bearer token, whatever `fetch` uses.
   * @throws StintError STEP_CLOSED, STEP_EXPIRING, AUDIENCE_INVALID, GRANT_EXCEEDED, NOT_ENTITLED, EXECUTOR_GONE, …
   */
  jwtSvid(
    audience: string,
    options?: { readonly grant?: Grant | undefined; readonly boundTo?: BoundTo | undefined },
  ): Promise<JwtSvid>;
  /** An X.509-SVID for a P-256 key made in this process; key and certificate change together. Kept as JWT-SVIDs are. */
  x509Svid(): Promise<X509Svid>;
  /**
   * A WIT-SVID for a P-256 key made in this process, and the maker of its proofs; key and token change together. Kept as
   * JWT-SVIDs are.
   *
   * @throws StintError as `jwtSvid`
   */
  witSvid(): Promise<WitSvid>;
  /**
   * A transaction token for one location of the grant, to go with the WIT-SVID of the step and its proof. Kept as JWT-SVIDs
   * are.
   *
   * @param options.grant - narrower than the step's grant at that location; absent: all of it.
   * @throws StintError as `jwtSvid`
   */
  txnToken(location: string, options?: { readonly grant?: Grant | undefined }): Promise<TxnToken>;
  /**
   * Lets another runtime open children of this step, by a token that is worth nothing to anybody else. A new one each
   * time: send it to the other runtime, which gives it as `parentToken`.
   *
   * @throws StintError ENTRY_NOT_FOUND for an unknown runtime, and as `jwtSvid`
   */
  delegationToken(options: DelegationOptions): Promise<DelegationToken>;
  /**
   * A secret of another system that the broker's configuration names, for this step alone. A new one each time; it ends with
   * the step where that system can end it.
   *
   * @throws StintError INVALID_FIELD for an unknown target, AUDIENCE_INVALID for one whose audience the step was not opened
   *   with, NOT_ENTITLED, NOT_SERVING where the other system can't be asked now; and as `jwtSvid`
   */
  exchange(target: string): Promise<ExchangedSecret>;
  /**
   * Bearer tokens for a child that this process starts, over a descriptor of the child: never by its environment or an
   * argument. The child reads them by `credentialsFromFd`, or as lines of JSON. A child that is to hold less than this step
   * is given those of a step below it.
   *
   * @throws StintError AUDIENCE_INVALID and INVALID_FIELD (metadata `field`), before anything is started; and as `jwtSvid`
   */
  credentialPipe(options?: CredentialPipeOptions): Promise<CredentialPipe>;
  /** `fetch`, authenticated as this step; see `createStepFetch`. Fits where a library asks for a fetch. */
  readonly fetch: Fetch;
  /** Runs `work` with this step as the current one. */
  run<Result>(work: () => Result): Result;
  /** Opens a step whose parent is this one: its grant and its expiry are within this one's, and it ends with it. */
  openStep(options: InParentsRun<OpenStepOptions>): Promise<Step>;
  withStep<Result>(
    options: InParentsRun<WithStepOptions>,
    work: (step: Step) => Promise<Result> | Result,
  ): Promise<Result>;
  /** A sign of life, for a step that was opened with a lease. */
  renew(): Promise<void>;
  /**
   * Closes the step: when this returns, all its credentials are revoked. Called again it gives the same result, whatever
   * the outcome then said. `signal` aborts at once; the step stays held until the broker has answered.
   *
   * @param outcome - absent: COMPLETED.
   * @throws StintError as `closeStep`; calling again then tries again
   */
  close(outcome?: Outcome, options?: CloseOptions): Promise<CloseResult>;
  /** Closes it as FAILED, unless it is closed: a scope that is left without a word did not complete. */
  [Symbol.asyncDispose](): Promise<void>;
  toJSON(): StepFacts;
};
