import { randomBytes } from "node:crypto";
import { invalidField } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { createDpopNonces, type DpopNonces } from "../../verify/dpop-nonce.ts";
import { DPOP_AHEAD_SECONDS, dpopProofSeconds } from "../../verify/dpop-proof.ts";
import { createReplayCache, type ReplayCache } from "../../verify/replay-cache.ts";
import { workloadProofSeconds } from "../../verify/workload-proof-token.ts";

/** Ways to prove possession of a key: of that which a token is bound to, or of that of a WIT-SVID. */
export const PROOF_KINDS = ["dpop", "mtls", "wpt"] as const;
export type ProofKind = (typeof PROOF_KINDS)[number];

/**
 * What is asked of a request. `none`: proofs are not looked at, so that a bound token is refused. `accepted`: a bound token
 * needs its proof, a bearer token none. `required`: a token that nobody proves anything about is refused too.
 */
export type ProofPolicy = (typeof PROOF_POLICIES)[number];

export const PROOF_POLICIES = ["none", "accepted", "required"] as const;

/**
 * A policy that was mistyped would otherwise ask for less than was meant.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function checkProofPolicy(proof: ProofPolicy): void {
  if (!PROOF_POLICIES.includes(proof)) throw invalidField("proof", `one of ${PROOF_POLICIES.join(", ")}`);
}

export type ProofTerms = {
  /** Absent: `accepted`. */
  readonly proof?: ProofPolicy;
  /** The ways that are taken. Absent: all. `mtls` can only be where TLS ends in this process. */
  readonly proofKinds?: readonly ProofKind[];
};

export type ProofOptions = {
  /** How long ago a DPoP proof may have been made, in seconds; 1 to 300. Default: 60. */
  readonly dpopAgeSecondsMax?: number;
  /**
   * How far the clock of a DPoP proof's maker may be ahead, in seconds; 0 to 300. Default: 5. MCP's clients without state of
   * their own are served with 300 for this and for `dpopAgeSecondsMax`.
   */
  readonly dpopAheadSecondsMax?: number;
  /** How long a Workload Proof Token may last, in seconds; 1 to 300. Default: 60. */
  readonly workloadProofSecondsMax?: number;
  /**
   * Asks for a nonce of this server's in every DPoP proof, at the price of one more round trip in the beginning. `secret`: at
   * least 32 bytes, the same for all processes behind one name; default: random. `periodSeconds`: a nonce is good for
   * one to two of them; 10 to 3,600, default: 60. Absent: no nonces.
   */
  readonly dpopNonces?: { readonly secret?: Uint8Array; readonly periodSeconds?: number };
  /** How many proofs are remembered, so that none is taken twice; past that all are refused. Default: 100,000. */
  readonly replayCapacity?: number;
};

/** What a verifier judges proofs by, and remembers of them. */
export type ProofState = {
  readonly dpopAgeSecondsMax: number;
  readonly dpopAheadSecondsMax: number;
  readonly workloadProofSecondsMax: number;
  readonly nonces: DpopNonces | undefined;
  readonly replays: ReplayCache;
};

const AGE_SECONDS_DEFAULT = 60;
const AGE_SECONDS_MAX = 300;
const PERIOD_SECONDS_DEFAULT = 60;
const PERIOD_SECONDS_MIN = 10;
const PERIOD_SECONDS_MAX = 3_600;
const SECRET_BYTES_MIN = 32;
/** Some 20 MiB, and more than a thousand requests a second. */
const REPLAY_CAPACITY_DEFAULT = 100_000;
/** So that ten keys have to be in it together before others are refused. */
const HOLDER_SHARE = 10;

/**
 * Checks how proofs are to be judged, fills in what is not given, and begins to remember.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function createProofState(options: ProofOptions): ProofState {
  const dpopAgeSecondsMax = options.dpopAgeSecondsMax ?? AGE_SECONDS_DEFAULT;
  const dpopAheadSecondsMax = options.dpopAheadSecondsMax ?? DPOP_AHEAD_SECONDS;
  const workloadProofSecondsMax = options.workloadProofSecondsMax ?? AGE_SECONDS_DEFAULT;
  checkWithin("dpopAgeSecondsMax", dpopAgeSecondsMax, 1, AGE_SECONDS_MAX);
  checkWithin("dpopAheadSecondsMax", dpopAheadSecondsMax, 0, AGE_SECONDS_MAX);
  checkWithin("workloadProofSecondsMax", workloadProofSecondsMax, 1, AGE_SECONDS_MAX);
  const capacity = options.replayCapacity ?? REPLAY_CAPACITY_DEFAULT;
  checkWithin("replayCapacity", capacity, 1, Number.MAX_SAFE_INTEGER);
  const dpopSeconds = dpopProofSeconds(dpopAgeSecondsMax, dpopAheadSecondsMax);
  const proofSeconds = Math.max(dpopSeconds, workloadProofSeconds(workloadProofSecondsMax));
  return {
    dpopAgeSecondsMax,
    dpopAheadSecondsMax,
    workloadProofSecondsMax,
    nonces: options.dpopNonces === undefined ? undefined : noncesOf(options.dpopNonces),
    replays: createReplayCache({
      // By as much as the clock may be set back without the verifier refusing everything, a proof holds longer.
      keepSeconds: proofSeconds + 2 * LIMITS.clockSkewSecondsMax,
      capacity,
      holderCapacity: Math.ceil(capacity / HOLDER_SHARE),
    }),
  };
}

function noncesOf(options: NonNullable<ProofOptions["dpopNonces"]>): DpopNonces {
  const secret = options.secret ?? randomBytes(SECRET_BYTES_MIN);
  if (secret.length < SECRET_BYTES_MIN)
    throw invalidField("proofs.dpopNonces.secret", `${SECRET_BYTES_MIN} bytes or more`);
  const periodSeconds = options.periodSeconds ?? PERIOD_SECONDS_DEFAULT;
  checkWithin("dpopNonces.periodSeconds", periodSeconds, PERIOD_SECONDS_MIN, PERIOD_SECONDS_MAX);
  return createDpopNonces({ secret, periodSeconds });
}

function checkWithin(name: string, value: number, min: number, max: number): void {
  if (!(Number.isInteger(value) && value >= min && value <= max)) {
    throw invalidField(`proofs.${name}`, `a whole number from ${min} to ${max}`);
  }
}
