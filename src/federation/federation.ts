import type { Actor } from "../domain/actor.ts";
import { parseSpiffeBundle, type SpiffeBundle } from "../domain/bundle.ts";
import { parseBundleOf } from "../domain/bundle-map.ts";
import { BrokerError, errorOf, invalidField, isDenial } from "../domain/errors.ts";
import {
  type FederatedBundle,
  type FederationRelationship,
  type FederationRelationshipInput,
  parseFederationRelationship,
} from "../domain/federation.ts";
import { LIMITS } from "../domain/limits.ts";
import { type TrustDomain, trustDomainOf } from "../domain/spiffe-id.ts";
import { addMicros, type UnixMicros } from "../domain/time.ts";
import { reliable } from "../follow/reliable.ts";
import type { BundleEndpoint } from "../ports/bundle-endpoint.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { FederatedBundles } from "../ports/federated-bundles.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { ProjectionReads } from "../ports/ledger-reads.ts";
import type { Randomness } from "../ports/randomness.ts";
import { type AcceptableBundle, acceptBundle } from "./accept-bundle.ts";
import { keepFederationBook } from "./federation-book.ts";
import { nextRefreshMs } from "./refresh-times.ts";

export type FederationState = {
  readonly relationship: FederationRelationship;
  readonly bundle?: FederatedBundle;
  /** When the endpoint is asked next. */
  readonly nextRefreshAt: UnixMicros;
  /** Why the last attempt brought nothing; absent after an attempt with a bundle. Safe to show to an operator. */
  readonly failure?: { readonly at: UnixMicros; readonly message: string };
};

/** The foreign trust domains whose members are believed, and their keys as they are now. */
export type Federation = FederatedBundles & {
  /**
   * Records a new relationship, and asks its endpoint in the background.
   *
   * @param bootstrap - text of a bundle, or of a bundle map that has the trust domain's bundle; needed where the
   *   endpoint shows an X.509-SVID of the trust domain itself.
   * @throws BrokerError INVALID_FIELD; LIMIT_EXCEEDED for a bundle that is too large
   */
  create(input: FederationRelationshipInput, bootstrap: string | undefined, by: Actor): Promise<FederationState>;
  /** By trust domain. */
  list(): readonly FederationState[];
  /** @throws BrokerError INVALID_FIELD `trust_domain` where there is no relationship */
  find(trustDomain: string): FederationState;
  /**
   * Asks the endpoint now, or joins an attempt under way. Resolves with the state after the attempt; `failure` says why
   * an attempt brought nothing.
   *
   * @throws BrokerError INVALID_FIELD `trust_domain` where there is no relationship, or none any more
   */
  refresh(trustDomain: string): Promise<FederationState>;
  /** Ends a relationship: its trust domain is believed no more. @throws BrokerError INVALID_FIELD `trust_domain` */
  remove(trustDomain: string, by: Actor): Promise<void>;
  stop(): void;
};

export type FederationPorts = {
  /** The broker's own trust domain. */
  readonly trustDomain: TrustDomain;
  /** The broker's own X.509 authorities as they are now, DER: an endpoint may show an X.509-SVID of theirs. */
  readonly ownAuthorities: () => readonly Uint8Array[];
  readonly ledger: Pick<Ledger, "follow" | "perform">;
  readonly projections: Pick<ProjectionReads, "federations">;
  readonly endpoint: BundleEndpoint;
  /** Told why an X.509 authority of a bundle that is accepted is not in force. */
  readonly leftOut: (trustDomain: TrustDomain, why: string) => void;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Takes the error of an attempt, after which there is always another attempt, and what a listener throws. */
  readonly failed: (error: unknown) => void;
};

/** What is kept of a relationship beside the ledger: when its endpoint is asked, and how the attempts went. */
type Kept = {
  readonly relationship: FederationRelationship;
  hintSeconds: number | undefined;
  nextRefreshAt: UnixMicros;
  cancel: Cancel;
  failuresInARow: number;
  failure: FederationState["failure"];
  underWay: Promise<void> | undefined;
  /** Aborted when nobody wants the results of its attempts any more. */
  wanted: AbortController;
};

/** What an operator is told of a fault that is not the endpoint's. */
const OWN_FAULT = "the broker failed at it, and its log says why";

/**
 * Keeps the bundles of foreign trust domains: bundles that the ledger has are in force at once, without asking anybody,
 * and from then on each endpoint is asked as often as its bundle recommends. An attempt that fails changes nothing.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE
 * @see SPIFFE Federation sections 4 and 6
 */
export async function keepFederation(ports: FederationPorts): Promise<Federation> {
  const { clock, ledger } = ports;
  const book = await keepFederationBook(ports);
  const kept = new Map<TrustDomain, Kept>();
  let isStopped = false;

  const bundleOf = (trustDomain: TrustDomain) => book.of(trustDomain)?.bundle;

  /** Keeps a relationship, and asks its endpoint at once: the known bundle may be old. */
  function keep(relationship: FederationRelationship): void {
    const bundle = bundleOf(relationship.trustDomain);
    const one: Kept = {
      relationship,
      hintSeconds: bundle === undefined ? undefined : parseSpiffeBundle(bundle.document).refreshHintSeconds,
      nextRefreshAt: clock.now(),
      cancel: () => undefined,
      failuresInARow: 0,
      failure: undefined,
      underWay: undefined,
      wanted: new AbortController(),
    };
    kept.set(relationship.trustDomain, one);
    askIn(0, one);
  }

  /** Ends the attempt that is under way or to come; whatever an attempt under way brings is dropped. */
  function leave(one: Kept): void {
    one.cancel();
    one.wanted.abort();
    one.underWay = undefined;
  }

  /** Takes up a relationship as it is now on record, and nothing of a relationship that was there before. */
  function arrange(trustDomain: TrustDomain): void {
    const before = kept.get(trustDomain);
    if (before !== undefined) leave(before);
    kept.delete(trustDomain);
    const relationship = book.of(trustDomain)?.relationship;
    if (relationship !== undefined) keep(relationship);
  }

  function askIn(delayMs: number, one: Kept): void {
    one.cancel();
    if (isStopped) return;
    one.nextRefreshAt = addMicros(clock.now(), delayMs * 1_000);
    one.cancel = clock.schedule(delayMs, () => void ask(one));
  }

  function askLater(one: Kept): void {
    const { hintSeconds, failuresInARow } = one;
    const random = Buffer.from(ports.randomness.bytes(4)).readUInt32BE() / 0xffff_ffff;
    askIn(nextRefreshMs({ hintSeconds, failuresInARow, random }), one);
  }

  /** Never rejects. One attempt at a time: an answer that a newer answer overtook would seem to go back. */
  function ask(one: Kept): Promise<void> {
    const { signal } = one.wanted;
    one.underWay ??= attempt(one, signal).finally(() => {
      if (!signal.aborted) one.underWay = undefined;
    });
    return one.underWay;
  }

  async function attempt(one: Kept, signal: AbortSignal): Promise<void> {
    try {
      const spiffeAuthorities = authoritiesFor(one.relationship);
      const text = await ports.endpoint.fetchBundle(one.relationship, { spiffeAuthorities, signal });
      if (signal.aborted) return;
      await take(one, parseSpiffeBundle(text));
      one.failuresInARow = 0;
      one.failure = undefined;
    } catch (thrown) {
      if (signal.aborted) return;
      ports.failed(thrown);
      one.failuresInARow += 1;
      one.failure = { at: clock.now(), message: thrown instanceof BrokerError ? thrown.message : OWN_FAULT };
    }
    if (!signal.aborted) askLater(one);
  }

  /** The CA certificates that an endpoint is recognised by: of the endpoint's trust domain, as accepted last. */
  function authoritiesFor({ profile }: FederationRelationship): readonly Uint8Array[] {
    if (profile.kind === "https_web") return [];
    const trustDomain = trustDomainOf(profile.endpointSpiffeId);
    if (trustDomain === ports.trustDomain) return ports.ownAuthorities();
    const bundle = bundleOf(trustDomain);
    const authorities = bundle === undefined ? [] : parseSpiffeBundle(bundle.document).x509;
    if (authorities.length > 0) return authorities;
    throw new BrokerError(
      "NOT_SERVING",
      `there are no X.509 authorities of ${trustDomain} to recognise the bundle endpoint by`,
    );
  }

  async function take(one: Kept, bundle: SpiffeBundle): Promise<void> {
    const { trustDomain } = one.relationship;
    const known = bundleOf(trustDomain);
    const leftOut: string[] = [];
    const accepted = acceptBundle(bundle, { trustDomain, known, leftOut: (why) => void leftOut.push(why) });
    if (accepted.document !== known?.document) {
      // Told with each new bundle, and not with each answer: an answer may come every minute.
      for (const why of leftOut) ports.leftOut(trustDomain, why);
      const now = clock.now();
      const result = await ledger.perform({ act: "accept-bundle", trustDomain, bundle: accepted, now });
      if (isDenial(result)) throw errorOf(result);
      await book.following.reached(result.sequence);
    }
    one.hintSeconds = bundle.refreshHintSeconds;
  }

  function known(trustDomain: string): Kept {
    const one = kept.get(trustDomain as TrustDomain);
    if (one === undefined) throw invalidField("trust_domain", "one that has a relationship");
    return one;
  }

  function stateOf({ relationship, nextRefreshAt, failure }: Kept): FederationState {
    const bundle = bundleOf(relationship.trustDomain);
    return {
      relationship,
      ...(bundle === undefined ? {} : { bundle }),
      nextRefreshAt,
      ...(failure === undefined ? {} : { failure }),
    };
  }

  for (const { relationship } of book.all()) keep(relationship);
  const unfollow = book.onRelationship(arrange);
  const inForce = reliable(book.following, bundleOf);

  return {
    onChange: book.onBundle,
    of: (trustDomain) => inForce()(trustDomain),

    async create(input, bootstrap, by) {
      const relationship = parseFederationRelationship(input, ports.trustDomain);
      const first = firstBundleOf(relationship, bootstrap);
      const given = first === undefined ? {} : { bundle: first };
      const now = clock.now();
      const result = await ledger.perform({ act: "put-federation", relationship, ...given, by, now });
      if (isDenial(result)) throw errorOf(result);
      await book.following.reached(result.sequence);
      // The relationship is on record, whether or not it is kept here yet.
      const one = kept.get(relationship.trustDomain);
      return one === undefined ? { relationship, nextRefreshAt: now } : stateOf(one);
    },

    list: () => [...kept.values()].map(stateOf).sort(byTrustDomain),
    find: (trustDomain) => stateOf(known(trustDomain)),

    async refresh(trustDomain) {
      await ask(known(trustDomain));
      return stateOf(known(trustDomain));
    },

    async remove(trustDomain, by) {
      const one = known(trustDomain);
      const { relationship } = one;
      // Left before the end is on record, so that nothing of this relationship can be accepted into a later one.
      leave(one);
      try {
        const act = { act: "end-federation", trustDomain: relationship.trustDomain, by, now: clock.now() } as const;
        const result = await ledger.perform(act);
        if (isDenial(result)) throw errorOf(result);
        await book.following.reached(result.sequence);
      } catch (thrown) {
        // The relationship goes on as it was, unless somebody else ended it, or began it anew, meanwhile.
        if (kept.get(relationship.trustDomain) === one) arrange(relationship.trustDomain);
        throw thrown;
      }
    },

    stop() {
      isStopped = true;
      unfollow();
      book.following.end();
      for (const one of kept.values()) leave(one);
    },
  };
}

/** The bundle with which a relationship begins; needed where the endpoint is recognised by this bundle itself. */
function firstBundleOf(relationship: FederationRelationship, text: string | undefined): AcceptableBundle | undefined {
  const { trustDomain, profile } = relationship;
  const isOfItself = profile.kind === "https_spiffe" && trustDomainOf(profile.endpointSpiffeId) === trustDomain;
  if (text === undefined) {
    if (isOfItself) throw invalidField("bundle", "the trust domain's bundle, by which its endpoint is recognised");
    return undefined;
  }
  if (Buffer.byteLength(text) > LIMITS.foreignBundleBytesMax) {
    throw new BrokerError("LIMIT_EXCEEDED", `a bundle has at most ${LIMITS.foreignBundleBytesMax} bytes`);
  }
  const bundle = parseBundleOf(trustDomain, text);
  const accepted = acceptBundle(bundle, { trustDomain });
  if (isOfItself && parseSpiffeBundle(accepted.document).x509.length === 0) {
    throw invalidField("bundle", "one with an X.509 authority, by which the endpoint is recognised");
  }
  return accepted;
}

function byTrustDomain(a: FederationState, b: FederationState): number {
  return a.relationship.trustDomain < b.relationship.trustDomain ? -1 : 1;
}
