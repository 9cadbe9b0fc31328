import { type AttestedSvid, attestRuntime, renewRuntime } from "./attest-runtime.ts";
import { isSpentByUse } from "./attestation-evidence.ts";
import type { AttestationOptions } from "./attestation-options.ts";
import { serverTrustOf } from "./attestation-trust.ts";
import { backoff } from "./backoff.ts";
import { MACHINE_TIME, type Time } from "./machine-time.ts";
import { keepNewestSvid, type RuntimeSvid } from "./newest-svid.ts";
import { type StintError, stintErrorOf } from "./stint-error.ts";

/** Of what is left of an SVID's life: half of it is for trying again. A fleet that was started at once must not stay in step. */
const LEFT_USED = { from: 0.45, to: 0.55 } as const;
/** A broker that said no is not asked again at once, nor one whose clock is far behind ours. */
const PAUSE_MS_MIN = 5_000;

/**
 * The X.509-SVID that the attestation endpoint gives for evidence, replaced by the next at half of its life. Attests on the
 * first use.
 *
 * @param brokerEndpoint - where an SVID is renewed whose evidence is spent.
 */
export function attestedRuntimeSvid(
  options: AttestationOptions,
  brokerEndpoint: string,
  time: Time = MACHINE_TIME,
): RuntimeSvid {
  const closed = new AbortController();
  let held: AttestedSvid | undefined;
  let isFollowing = false;
  let wake: () => void = () => undefined;
  const newest = keepNewestSvid("the attestation endpoint", () => {
    if (isFollowing) return;
    isFollowing = true;
    void follow();
  });

  /** Goes on for as long as there is an SVID to replace, or hope of one. */
  async function follow(): Promise<void> {
    const pauses = backoff();
    while (!closed.signal.aborted) {
      let pauseMs: number;
      try {
        held = await next();
        newest.take(held.identity);
        pauses.reset();
        pauseMs = Math.max(PAUSE_MS_MIN, leftMs() * (LEFT_USED.from + Math.random() * (LEFT_USED.to - LEFT_USED.from)));
      } catch (thrown) {
        if (closed.signal.aborted) return;
        const error = stintErrorOf(thrown);
        // Whoever is refused asks again by its next call.
        isFollowing = error.retryable || leftMs() > 0;
        if (!isFollowing) newest.forget();
        newest.lack(error);
        if (!isFollowing) return;
        pauseMs = pauseAfter(error, pauses.next());
      }
      await pause(pauseMs);
      if (leftMs() === 0) newest.forget();
    }
  }

  async function pause(ms: number): Promise<void> {
    const woken = new AbortController();
    wake = () => woken.abort();
    await time.pause(ms, AbortSignal.any([closed.signal, woken.signal]));
  }

  async function next(): Promise<AttestedSvid> {
    const present = leftMs() > 0 ? held?.identity : undefined;
    if (present !== undefined && isSpentByUse(options.evidence)) {
      return renewRuntime(brokerEndpoint, present, closed.signal);
    }
    return attestRuntime(options, await serverTrustOf(options.trust, present), closed.signal);
  }

  function leftMs(): number {
    return Math.max(0, (held?.expiresAtMs ?? 0) - time.now());
  }

  function pauseAfter(error: StintError, pauseMs: number): number {
    return error.retryable ? pauseMs : Math.min(leftMs(), Math.max(PAUSE_MS_MIN, leftMs() / 2));
  }

  return {
    current() {
      // Timers stand still while a machine sleeps; an SVID does not last longer for it.
      if (held !== undefined && leftMs() === 0) {
        held = undefined;
        newest.forget();
        wake();
      }
      return newest.current();
    },
    onChange: newest.onChange,
    close: () => closed.abort(),
  };
}
