import { setMaxListeners } from "node:events";
import { Duplex, type Writable } from "node:stream";
import { audiencesOf } from "../../domain/step.ts";
import { backoff } from "./backoff.ts";
import { formatCredentialLine } from "./credential-line.ts";
import type { JwtSvid } from "./jwt-svid.ts";
import { MACHINE_TIME, type Time } from "./machine-time.ts";
import type { StepFacts } from "./step-facts.ts";
import { StintError, stintErrorOf } from "./stint-error.ts";

/** A broker that is asked for too much is not asked again at once. */
const PAUSE_MS_LIMITED = 5_000;
/** Of what a token has left when it comes: late readers, and a broker that is away, have the other half. */
const LIFE_USED_MAX = 1 / 2;

export type CredentialPipeOptions = {
  /** Absent: all that the step has, which are the locations of its grant and the audiences that it was opened for. */
  readonly audiences?: readonly string[] | undefined;
  /** Called when renewals for an audience begin to fail, and when they have for good; what there is stays good until it expires. */
  readonly onRenewalFailed?: ((failure: RenewalFailure) => void) | undefined;
};

export type RenewalFailure = {
  readonly audience: string;
  readonly error: StintError;
  /** False: the broker is asked again until there is a new token. */
  readonly isFinal: boolean;
  /** When the last token expires. */
  readonly expiresAt: Date;
};

/**
 * Tokens of a step on their way to a child that this process starts: JSON lines `{"audience", "token", "expires_at"}`, one
 * for each audience at first, and one for each renewal. It ends as the step does.
 */
export type CredentialPipe = {
  readonly audiences: readonly string[];
  /**
   * Sends them, until the step ends or the other side is closed, neither of which is an error. A child that does not read
   * holds up nothing: what it has not read stays in its order, and of what no longer fits the newest line for each
   * audience is kept. One child a pipe: a second call is for nothing.
   *
   * @param writable - e.g. `child.stdio[3]`; it is the pipe's from then on, and ended by it.
   */
  writeTo(writable: Writable): void;
  /** Ends it before the step does. */
  close(): void;
};

/** Where a pipe has its tokens from. */
export type PipeSource = {
  readonly facts: Pick<StepFacts, "stepId" | "grant" | "audiences" | "expiresAt">;
  /** Aborts as the step ends. */
  readonly signal: AbortSignal;
  first(audience: string): Promise<JwtSvid>;
  /** The one that follows `old`; a single attempt. */
  next(old: JwtSvid): Promise<JwtSvid>;
};

/**
 * @throws StintError AUDIENCE_INVALID (metadata `field`) for an audience that the step does not have, INVALID_FIELD where there
 *   is none at all; and what getting the first tokens throws
 */
export async function createCredentialPipe(
  source: PipeSource,
  { audiences, onRenewalFailed }: CredentialPipeOptions,
  time: Time = MACHINE_TIME,
): Promise<CredentialPipe> {
  const wanted = checkAudiences(audiences, source.facts);
  const first = await Promise.all(wanted.map((audience) => source.first(audience)));
  const closed = new AbortController();
  const over = AbortSignal.any([source.signal, closed.signal]);
  // Each audience's renewal listens to it.
  setMaxListeners(0, over);
  let outlet: Outlet | undefined;

  return {
    audiences: wanted,
    writeTo(writable) {
      if (outlet !== undefined) return void writable.destroy();
      outlet = outletTo(writable, () => closed.abort());
      if (over.aborted) return outlet.end();
      over.addEventListener("abort", outlet.end, { once: true });
      for (const svid of first) void keepSupplied(svid, source, { over, outlet, onRenewalFailed, time });
    },
    close: () => closed.abort(),
  };
}

function checkAudiences(asked: readonly string[] | undefined, facts: PipeSource["facts"]): readonly string[] {
  const known = audiencesOf(facts);
  const wanted = [...new Set(asked ?? known)];
  if (wanted.length === 0) {
    throw new StintError("INVALID_FIELD", "audiences: at least one, and the step has none of its own", {
      metadata: { field: "audiences" },
    });
  }
  for (const [index, audience] of (asked ?? []).entries()) {
    if (known.includes(audience)) continue;
    const field = `audiences[${index}]`;
    const message = `${field}: neither a location of the step's grant nor an audience that it was opened for`;
    throw new StintError("AUDIENCE_INVALID", message, { metadata: { field } });
  }
  return wanted;
}

/** Sends each token for one audience, the first and those that follow, until all is over or there are no more. */
async function keepSupplied(
  first: JwtSvid,
  { facts, next }: PipeSource,
  terms: Pick<CredentialPipeOptions, "onRenewalFailed"> & {
    readonly over: AbortSignal;
    readonly outlet: Outlet;
    readonly time: Time;
  },
): Promise<void> {
  const { over, outlet, onRenewalFailed, time } = terms;
  let newest = first;
  let pauses = backoff();
  let failed: StintError | undefined;
  outlet.put(newest);
  // What lasts as long as the step can't be followed by anything that lasts longer.
  while (newest.expiresAt < facts.expiresAt) {
    const halfMs = (newest.expiresAt.getTime() - time.now()) * LIFE_USED_MAX;
    await time.pause(failed === undefined ? halfMs : pauseAfter(failed, pauses.next()), over);
    if (over.aborted) return;
    try {
      newest = await next(newest);
      outlet.put(newest);
      pauses = backoff();
      failed = undefined;
    } catch (thrown) {
      const error = stintErrorOf(thrown);
      // In a step's last seconds there is nothing new, and what there is lasts about as long as the step.
      if (over.aborted || error.reason === "STEP_EXPIRING") return;
      const isFinal = !error.retryable && error.reason !== "LIMIT_EXCEEDED";
      const { audience, expiresAt } = newest;
      if (failed === undefined || isFinal) onRenewalFailed?.({ audience, error, isFinal, expiresAt });
      if (isFinal) return;
      failed = error;
    }
  }
}

function pauseAfter({ retryable }: StintError, pauseMs: number): number {
  return retryable ? pauseMs : PAUSE_MS_LIMITED;
}

type Outlet = {
  put(svid: JwtSvid): void;
  end(): void;
};

/**
 * Writes one line after the other, each once the system has taken the one before. While one waits for room, only the
 * newest for each audience is kept.
 *
 * @param gone - called when the other side, or the stream, is closed.
 */
function outletTo(writable: Writable, gone: () => void): Outlet {
  const waiting = new Map<string, JwtSvid>();
  let isWriting = false;
  let isOver = false;

  function writeNext(): void {
    const [svid] = waiting.values();
    if (isWriting || isOver || svid === undefined) return;
    waiting.delete(svid.audience);
    isWriting = true;
    const { audience, expiresAt } = svid;
    writable.write(formatCredentialLine({ audience, token: svid.svid(), expiresAt }), () => {
      isWriting = false;
      writeNext();
    });
  }
  function end(): void {
    if (isOver) return;
    isOver = true;
    waiting.clear();
    // A line that finds no room must not keep the end from whoever reads; what was taken can still be read.
    if (isWriting) writable.destroy();
    else writable.end();
  }

  // A child that closes its end, or dies, has had enough: nobody has to know.
  writable.on("error", gone);
  writable.on("close", gone);
  // What spawn makes is a socket: only whoever reads learns that it was closed on the other side.
  if (writable instanceof Duplex) writable.resume();
  return {
    put(svid) {
      waiting.delete(svid.audience);
      waiting.set(svid.audience, svid);
      writeNext();
    },
    end,
  };
}
