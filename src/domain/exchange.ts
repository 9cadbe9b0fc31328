import { LIMITS } from "./limits.ts";
import type { Step } from "./step.ts";
import type { UnixMicros, UnixSeconds } from "./time.ts";

/** The kinds of other systems whose secrets a step can be given. */
export const EXCHANGE_KINDS = [
  "openbao",
  "postgres",
  "token-exchange",
  "jwt-bearer",
  "aws-sts",
  "gcp-federation",
] as const;
export type ExchangeKind = (typeof EXCHANGE_KINDS)[number];

/** One secret of another system, as it is recorded before that system is asked. Never holds the secret. */
export type ExchangeIntent = {
  readonly exchangeId: string;
  readonly stepId: string;
  /** The name that the configuration gives the other system. */
  readonly target: string;
  readonly kind: ExchangeKind;
  /** The JWT-SVID that is traded; absent where the broker asks in its own name. */
  readonly issuanceId?: string;
  /** The same id again never gives a second secret. */
  readonly requestId: string;
  /** The secret is to end by then; exclusive, and never after the step. */
  readonly expiresAt: UnixSeconds;
  /** Whether the broker can end it before. */
  readonly endable: boolean;
  /** Who asked, and has what is needed to end it, among brokers that share the ledger. */
  readonly replica?: string;
};

/** What became of a question to another system. */
export type ExchangeOutcome =
  | {
      readonly kind: "issued";
      /** By which the other system's own records name it: a role's name, or the digest of an accessor. No secret. */
      readonly reference?: string;
      /** Exclusive; after the intent's only where it can be ended before. */
      readonly expiresAt: UnixSeconds;
    }
  | {
      readonly kind: "failed";
      readonly failure: string;
      /** Whether the other system may have made something all the same. */
      readonly mayExist: boolean;
      /** When that ends, where it is known that it is not by the intent's. */
      readonly expiresAt?: UnixSeconds;
    };

/** `unknown`: there was no answer that says whether something was made, so something has to be ended. */
export const EXCHANGE_STATES = ["intended", "issued", "unknown", "failed", "ended"] as const;
export type ExchangeState = (typeof EXCHANGE_STATES)[number];

/** By what an exchange ended: the other system was told, or its time was over there. */
export type ExchangeEnding = "told" | "lapsed";

/** An exchange as the ledger has it. */
export type Exchange = ExchangeIntent & {
  readonly sequence: number;
  readonly intendedAt: UnixMicros;
  readonly state: ExchangeState;
  readonly reference?: string;
  readonly failure?: string;
  readonly endedAt?: UnixMicros;
  readonly ending?: ExchangeEnding;
  readonly step: Pick<Step, "runId" | "step" | "attempt" | "agent" | "state" | "closedSequence">;
};

/**
 * For how many seconds another system is asked that counts them itself: by then its answer has come, and its clock may be
 * behind.
 */
export function secondsToAskFor({
  expiresAt,
  now,
}: {
  readonly expiresAt: UnixSeconds;
  readonly now: UnixSeconds;
}): number {
  return expiresAt - now - LIMITS.clockSkewSecondsMax;
}

/** Whether what a system of this kind issues is good for nothing once its time is over, so that nobody has to end it then. */
export function lapses(kind: ExchangeKind): boolean {
  // A role stays, whatever its password's end, with all that it owns and every session that is open.
  return kind !== "postgres";
}

/**
 * Why another system gave nothing, in words that are safe to show: never with a part of what it said.
 */
export class ExchangeFailure extends Error {
  override readonly name = "ExchangeFailure";
  /** `refused`: asking again changes nothing. */
  readonly kind: "refused" | "unavailable";
  /** Whether something may have been made all the same. */
  readonly mayExist: boolean;
  /** What is needed to end what was made, where that is known. A secret. */
  readonly handle: string | undefined;
  /** When what was made ends by itself, where it is known that it is not by the intent's. */
  readonly expiresAt: UnixSeconds | undefined;
  /** For the log alone. */
  readonly detail: string | undefined;

  constructor(
    kind: ExchangeFailure["kind"],
    message: string,
    options: {
      readonly mayExist: boolean;
      readonly handle?: string | undefined;
      readonly expiresAt?: UnixSeconds | undefined;
      readonly detail?: string | undefined;
    },
  ) {
    super(message);
    this.kind = kind;
    this.mayExist = options.mayExist;
    this.handle = options.handle;
    this.expiresAt = options.expiresAt;
    this.detail = options.detail;
  }
}
