import { parseBundleJson, parseSpiffeBundle, tokenKeysIn } from "../../domain/bundle.ts";
import { BrokerError } from "../../domain/errors.ts";
import { feedKeysDigest } from "../../domain/feed-message.ts";
import type { TrustDomain } from "../../domain/spiffe-id.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { type VerificationKey, verificationKeysOf } from "../../verify/verification-keys.ts";
import { x509AuthoritiesOf } from "../../verify/x509-svid.ts";
import { instantOf, type VerifierClock } from "./clock.ts";
import { isDevelopmentTrustDomain, type TrustBundle } from "./feed-messages.ts";
import type { Instant } from "./freshness.ts";
import { DocumentUnavailable, fetchDocument, type IssuerPlace } from "./issuer-document.ts";
import { createRefresh } from "./refresh.ts";

/** The keys of a trust domain's broker, from its public documents. */
export type IssuerKeys = {
  /** Of the one trust domain; empty before the first fetch. */
  readonly bundles: ReadonlyMap<TrustDomain, TrustBundle>;
  /** When the documents were asked for that the keys are from; `undefined` before the first. */
  readonly sent: Instant | undefined;
  /** Keys that sign lists and events, by `kid`. */
  readonly eventKeys: ReadonlyMap<string, VerificationKey>;
  /** `feedKeysDigest` of all of them; `undefined` before the first. */
  readonly digest: string | undefined;
  /** Fetches them, or waits for what is under way; but begins nothing within so many milliseconds of the last. */
  unlessWithin(ms: number): Promise<void>;
  /** What went wrong last, until something has gone well. */
  readonly failure: string | undefined;
  /**
   * Judges something by the keys that sign status lists and events, by `kid`. A key that is not known may be new: then the keys are
   * fetched, unless that was done a moment ago, and it is judged once more.
   *
   * @throws what `judge` throws
   */
  judged<T>(judge: (eventKeys: ReadonlyMap<string, VerificationKey>) => T): Promise<T>;
  close(): void;
};

export type IssuerKeysOptions = {
  readonly issuer: string;
  readonly trustDomain: TrustDomain;
  readonly place: IssuerPlace;
  readonly clock: VerifierClock;
  /** How often they are fetched; spread, where that is more than seconds. Default: a withdrawn key is believed for five seconds. */
  readonly refreshMs?: number;
  /** How long after a fetch that failed the next one is due. Default: as of every refresh. */
  readonly retryMs?: number;
  /** Called after each fetch, whatever came of it. */
  readonly onFetched: () => void;
};

/** A key that was withdrawn is believed for this much longer: as long as a status list may be. */
const REFRESH_MS = 5_000;
/** Whoever shows lists by keys that are not known does not make a verifier ask more often. */
const RENEW_MS_MIN = 2_000;
/** A bundle of a hundred RSA-4096 authorities is 300 KiB. */
const BYTES_MAX = 1024 * 1024;
const BUNDLE = "/spiffe-bundle.json";
const EVENT_KEYS = "/keys/events.json";

/** Keeps the keys of an issuer as they are published. */
export function keepIssuerKeys(options: IssuerKeysOptions): IssuerKeys {
  const { issuer, trustDomain, place, clock, refreshMs = REFRESH_MS, retryMs } = options;
  const bundles = new Map<TrustDomain, TrustBundle>();
  let eventKeys: ReadonlyMap<string, VerificationKey> = new Map();
  let digest: string | undefined;
  let texts: { readonly bundle: string; readonly events: string } | undefined;
  let sent: Instant | undefined;
  let failure: string | undefined;

  async function fetchAll(signal: AbortSignal): Promise<boolean> {
    const asked = instantOf(clock);
    const terms = { accept: "application/json", bytesMax: BYTES_MAX, signal };
    try {
      const [bundle, events] = await Promise.all([
        fetchDocument(place, BUNDLE, terms),
        fetchDocument(place, EVENT_KEYS, terms),
      ]);
      // The same keys stay the same objects, by which signatures are known that have held.
      if (bundle !== texts?.bundle || events !== texts.events) take(bundle, events);
      sent = asked;
      failure = undefined;
    } catch (thrown) {
      failure = reasonOf(thrown);
    }
    options.onFetched();
    return failure === undefined;
  }

  function take(bundle: string, events: string): void {
    const { jwtKeys, witKeys, x509 } = parseSpiffeBundle(bundle);
    const eventSet = parseBundleJson(events, "events");
    eventKeys = verificationKeysOf(tokenKeysIn(eventSet, "sig", "events"));
    digest = feedKeysDigest({ bundle: parseBundleJson(bundle, "bundle")["keys"], events: eventSet["keys"] });
    bundles.set(trustDomain, {
      trustDomain,
      keys: verificationKeysOf(jwtKeys),
      witKeys: verificationKeysOf(witKeys),
      authorities: x509AuthoritiesOf(x509),
      issuer,
      federated: false,
      development: isDevelopmentTrustDomain(trustDomain),
    });
    texts = { bundle, events };
  }

  // Many that began together do not go on together.
  const afterMs = () => (refreshMs === REFRESH_MS ? refreshMs : refreshMs * (0.5 + Math.random() / 2));
  const refresh = createRefresh(clock, { fetch: fetchAll, afterMs, ...(retryMs !== undefined && { retryMs }) });
  void refresh.now();

  return {
    bundles,
    get sent() {
      return sent;
    },
    get eventKeys() {
      return eventKeys;
    },
    get digest() {
      return digest;
    },
    get failure() {
      return failure;
    },
    unlessWithin: refresh.unlessWithin,
    async judged(judge) {
      try {
        return judge(eventKeys);
      } catch (thrown) {
        if (!(thrown instanceof VerificationError && thrown.code === "KEY_UNKNOWN")) throw thrown;
        await refresh.unlessWithin(RENEW_MS_MIN);
        return judge(eventKeys);
      }
    },
    close: refresh.close,
  };
}

function reasonOf(thrown: unknown): string {
  if (thrown instanceof DocumentUnavailable || thrown instanceof BrokerError) return thrown.message;
  throw thrown;
}
