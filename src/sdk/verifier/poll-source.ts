import { randomBytes } from "node:crypto";
import { BrokerError } from "../../domain/errors.ts";
import type { TrustDomain } from "../../domain/spiffe-id.ts";
import { verifySecurityEvent } from "../../verify/security-event-token.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { instantOf, type VerifierClock } from "./clock.ts";
import { createDenialSignals } from "./denial-signals.ts";
import { createDenyList } from "./deny-list.ts";
import { toldBy } from "./event-denials.ts";
import { type EventStream, eventStreamsAt, type Polled, StreamUnusable } from "./event-stream.ts";
import { ageMs, type Dated, datedBy, datedUnfitness } from "./freshness.ts";
import { DocumentUnavailable, type IssuerPlace } from "./issuer-document.ts";
import { keepIssuerKeys } from "./issuer-keys.ts";
import type { PollRevocation } from "./issuer-settings.ts";
import { createRefresh } from "./refresh.ts";
import type { RevocationSource, SourceEvents } from "./revocation-source.ts";
import { denyKeysOf, refusalOf, type Verified } from "./verified-step.ts";

export type PollSourceOptions = SourceEvents & {
  readonly issuer: string;
  readonly trustDomain: TrustDomain;
  readonly place: IssuerPlace;
  /** Of the verifier; its entry must name them all. */
  readonly audiences: readonly string[];
  readonly svid: PollRevocation["svid"];
  readonly clock: VerifierClock;
};

/** The issuer waits eight seconds for something to tell. */
const POLL_MS_MAX = 11_000;
/** Between polls that were answered at once. */
const PAUSE_MS = 200;
/** How often the stream is asked to show whether another process receives it: as often as one may. */
const VERIFY_MS = 61_000;
/** After another was noticed: until it would have shown again. */
const ALONE_MS = 130_000;
const STATE_BYTES = 16;
/** What was shown before these was acknowledged long ago. */
const STATES_MAX = 8;

/**
 * The broker's security events, polled: they tell of each end once, and nothing of what had ended before this process began to hear. So what was
 * issued before that is refused.
 */
export function pollSource(options: PollSourceOptions): RevocationSource {
  const { issuer, trustDomain, place, clock, onChange } = options;
  const keys = keepIssuerKeys({ issuer, trustDomain, place, clock, onFetched: onChange });
  const streams = eventStreamsAt(place, options.svid);
  const denyList = createDenyList();
  const signals = createDenialSignals();
  /** What this process has asked the stream to show. */
  const states = new Set<string>();
  let stream: EventStream | undefined;
  let acks: readonly string[] = [];
  let answered: Dated | undefined;
  /** From when on every end is heard, by the issuer's clock: Unix seconds. */
  let hearsSince: number | undefined;
  let verifiedAtMs = Number.NEGATIVE_INFINITY;
  let othersSeenAtMs = Number.NEGATIVE_INFINITY;
  let failure: string | undefined;
  let audienceFault: BrokerError | undefined;

  /** Whether no other process receives the stream, as far as it would have shown. */
  function isAlone(): boolean {
    return clock.monotonicMs() - othersSeenAtMs > ALONE_MS;
  }

  /** What is told meanwhile may be told to nobody, or to somebody else. */
  function beginAnew(): void {
    stream = undefined;
    answered = undefined;
    hearsSince = undefined;
    acks = [];
  }

  async function pollOnce(signal: AbortSignal): Promise<boolean> {
    try {
      const opened = stream ?? (await streams.open(signal));
      checkAudiences(opened);
      stream = opened;
      await showOnce(opened, signal);
      const polled = await streams.poll(acks, answered !== undefined, signal);
      const received = instantOf(clock);
      await takeAll(opened, polled);
      acks = [...polled.sets.keys()];
      await streams.check(opened, signal);
      answered = datedBy(polled.dateMs, received, received);
      // The whole seconds of a token's `iat` are rounded down, and so is the answer's date.
      if (!polled.more && isAlone()) hearsSince ??= polled.dateMs / 1_000 + 1;
      denyList.forget(Math.min(received.wallMs, polled.dateMs));
      failure = undefined;
      audienceFault = undefined;
    } catch (thrown) {
      if (!(thrown instanceof DocumentUnavailable || thrown instanceof VerificationError)) throw thrown;
      failure = thrown.message;
      if (thrown instanceof StreamUnusable) beginAnew();
    }
    onChange();
    return failure === undefined;
  }

  /** What is presented elsewhere is not told here: a token for there would pass unwatched. */
  function checkAudiences({ audiences }: EventStream): void {
    const foreign = options.audiences.find((one) => !audiences.includes(one));
    if (foreign === undefined) return;
    audienceFault = new BrokerError(
      "AUDIENCE_INVALID",
      `audiences: the entry of the verifier does not name ${foreign}`,
    );
    throw new StreamUnusable(audienceFault.message);
  }

  async function takeAll(opened: EventStream, { sets }: Polled): Promise<void> {
    const { audience } = opened;
    for (const text of sets.values()) {
      const event = await keys.judged((eventKeys) => verifySecurityEvent(text, { keys: eventKeys, issuer, audience }));
      const told = toldBy(event, clock.wallMs());
      if (told.kind === "verification" && !states.has(String(told.state))) {
        othersSeenAtMs = clock.monotonicMs();
        hearsSince = undefined;
      }
      if (told.kind !== "denial") continue;
      const { entry } = told;
      for (const key of denyList.add([entry])) signals.abort(key, refusalOf(entry));
    }
  }

  async function showOnce(opened: EventStream, signal: AbortSignal): Promise<void> {
    if (clock.monotonicMs() - verifiedAtMs < VERIFY_MS) return;
    verifiedAtMs = clock.monotonicMs();
    const state = randomBytes(STATE_BYTES).toString("base64url");
    states.add(state);
    const [oldest = ""] = states;
    if (states.size > STATES_MAX) states.delete(oldest);
    await streams.verify(opened, state, signal);
  }

  const polling = createRefresh(clock, { fetch: pollOnce, afterMs: () => PAUSE_MS, withinMs: POLL_MS_MAX });
  void polling.now();

  const unfitness: RevocationSource["unfitness"] = (boundMs) => {
    const now = instantOf(clock);
    if (keys.sent === undefined || hearsSince === undefined) return "NOT_READY";
    return ageMs(keys.sent, now) <= boundMs ? datedUnfitness(answered, now, boundMs) : "STALE";
  };

  return {
    bundles: keys.bundles,
    outlastsTokens: true,
    unfitness,
    checkNotEnded(one) {
      checkToldOf(one, hearsSince);
      const entry = denyList.find(denyKeysOf(one));
      if (entry !== undefined) throw refusalOf(entry);
    },
    signalFor(one) {
      const entry = denyList.find(denyKeysOf(one));
      return signals.watch(denyKeysOf(one), entry === undefined ? undefined : refusalOf(entry));
    },
    status(boundMs) {
      const now = instantOf(clock);
      const { sent } = keys;
      const ages = [sent, answered?.asOf].map((one) => (one === undefined ? Number.NaN : ageMs(one, now)));
      const stalenessSeconds = Math.max(...ages) / 1_000;
      const lastError = failure ?? keys.failure;
      return {
        connected: answered !== undefined && lastError === undefined,
        refusal: unfitness(boundMs),
        stalenessSeconds: Number.isNaN(stalenessSeconds) ? undefined : stalenessSeconds,
        clockOffsetSeconds: undefined,
        denied: denyList.size,
        lastError,
      };
    },
    lastingFault: () => audienceFault,
    awaited() {
      const why = failure ?? keys.failure;
      return `keys and events of the broker at ${place.url}${why === undefined ? "" : ` (${why})`}`;
    },
    close() {
      keys.close();
      polling.close();
    },
  };
}

/** @throws VerificationError for what may have ended without a word here. */
function checkToldOf(verified: Verified, hearsSince: number | undefined): void {
  if ("serialNumber" in verified) {
    throw new VerificationError(
      "CERTIFICATE_INVALID",
      "security events tell this verifier nothing of the steps of X.509-SVIDs, but only of those of tokens",
    );
  }
  // Written as "not since", so that a token without `iat` is refused.
  if (hearsSince === undefined || !((verified.issuedAt ?? Number.NaN) >= hearsSince)) {
    throw new VerificationError(
      "CLAIMS_INVALID",
      "claims of the token: expected iat since this verifier began to hear",
    );
  }
}
