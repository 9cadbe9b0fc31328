import type { Authority, AuthorityState, KeyFamily } from "../domain/authority.ts";
import { BrokerError } from "../domain/errors.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../domain/time.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { AuthorityDirectory, IssuanceGate } from "../ports/directories.ts";
import type { Following, InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { PutAuthoritiesAct } from "../ports/ledger-acts.ts";
import type { ProjectionReads } from "../ports/ledger-reads.ts";
import type { Signer } from "../ports/signer.ts";
import type { UpstreamAuthority } from "../ports/upstream-authority.ts";
import { keepAuthorityBook } from "./authority-book.ts";
import { type AuthorityOrders, createAuthorityOrders } from "./authority-orders.ts";
import {
  activatableAt,
  type Due,
  dueIn,
  isWorthMaking,
  type Rotation,
  SIGNING_FAMILIES,
  type SigningFamily,
  signingAt,
} from "./lifecycle.ts";
import { isOwnAmong } from "./own-authority.ts";

export type Authorities = AuthorityDirectory &
  AuthorityOrders & {
    readonly following: Following;
    /** New keys for every family, for a new epoch: old keys sign no more, and nothing they signed is believed. */
    replaceAll(): Promise<void>;
    /** Changes when the keys that verifiers are to know change. */
    bundleSequence(): number;
    /** An authority that there ever was; what it signed may have to be named after the authority is gone. */
    byId(authorityId: string): Authority | undefined;
    /** Every authority that there ever was, in the order in which they came. */
    history(): readonly Authority[];
    /** When a prepared authority has been published for long enough to sign; `undefined` for any other. */
    activatableAt(authority: Authority): UnixSeconds | undefined;
    /** Why a family can't be rotated, in words for the operator. */
    troubles(): readonly string[];
    /** Calls after each change; ends with the returned function. */
    onChange(changed: () => void): Cancel;
    /** Does at once what is due, which is done within a minute otherwise. */
    look(): Promise<void>;
    /** Ends the rotation. */
    stop(): void;
  };

export type AuthoritiesPorts = {
  /** The name of this broker among those that share the ledger; absent: it shares the ledger with nobody. */
  readonly replica?: string;
  readonly ledger: Pick<Ledger, "follow" | "perform">;
  readonly projections: Pick<ProjectionReads, "authorities">;
  readonly signer: Signer;
  /** The CA that certifies the X.509 authorities now; absent: each is a root of its own. */
  readonly upstream?: () => UpstreamAuthority;
  readonly clock: Clock;
  /** Resolves when verifiers refuse what a withdrawal took back. */
  readonly inForce: InForce;
  /** A family without one is not signed with: its keys are removed, as if they had never been. */
  readonly lifetimeSeconds: LifetimeSeconds;
  readonly rotation?: Rotation;
  /** While nothing may be issued nothing is rotated either: the clock or the ledger can't be believed. */
  readonly gate?: IssuanceGate;
  /** Told of an authority that is to sign and whose key is not at hand, before the authority is removed. */
  readonly keyMissing?: (authority: Authority) => void;
  /** Takes errors of rotations in the background, which are tried again a minute later, and of listeners. */
  readonly failed: (error: unknown) => void;
};

export type LifetimeSeconds = Readonly<Record<Exclude<SigningFamily, "events">, number>> & {
  readonly events?: number;
};

/** Half of a life is left to notice a rotation that does not happen; 900 s are three refresh hints of five minutes. */
const ROTATION_DEFAULT: Rotation = { prepareShare: 0.5, propagationSeconds: 900 };

/** How far back a new authority is valid, for verifiers whose clocks are behind. */
const BACKDATE_SECONDS = 60;

/** So often that no rotation is late by a notable share of any time involved, and yet cheap. */
const LOOK_INTERVAL_MS = 60_000;

const UPSTREAM_IS_OVER =
  "the upstream authority has ended, or is about to: no X.509 authority can be made before it is renewed";

const NEW_ONE_CANNOT_SIGN = "the authority that was made just now can't sign: its key is gone, or it has ended already";

/**
 * The broker's signing authorities: the ledger records their public parts, the signer keeps their keys. Takes up the
 * authorities that the ledger knows, makes those that are missing, finishes changes that were cut short, and rotates
 * from here on.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE, AUTHORITY_UNAVAILABLE
 */
export async function openAuthorities(ports: AuthoritiesPorts): Promise<Authorities> {
  const { signer, clock } = ports;
  const rotation = ports.rotation ?? ROTATION_DEFAULT;
  const families = [...SIGNING_FAMILIES, "events"] as const satisfies readonly SigningFamily[];
  const isOwn = isOwnAmong(ports.replica, signer.holds);
  const book = await keepAuthorityBook({ ...ports, ...(ports.replica !== undefined && { isOwn }) });
  let turn: Promise<unknown> = Promise.resolve();
  let cancel: Cancel = () => undefined;
  let isStopped = false;
  let told: readonly string[] = [];

  /** Makes one change after another, so that each change decides on what the change before left. */
  function inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = turn.then(change);
    turn = done.catch(() => undefined);
    return done;
  }

  const now = () => secondsOf(clock.now());
  const inState = (authority: Authority, state: AuthorityState) => ({ ...authority, state, stateSince: now() });
  const ofReplica = ports.replica === undefined ? {} : { replica: ports.replica };

  /** Makes a key and records its row. A key whose row can't be recorded is destroyed: nobody would know of the key. */
  async function make(
    family: SigningFamily,
    state: "prepared" | "active",
    order?: PutAuthoritiesAct["order"],
  ): Promise<Authority> {
    // One and the same upstream CA says when the authority ends and certifies it, whichever CA is there by then.
    const upstream = upstreamOf(family);
    const expiresAt = endOfNew(family, upstream);
    if (!isWorthMaking(expiresAt, now())) throw new BrokerError("AUTHORITY_UNAVAILABLE", UPSTREAM_IS_OVER);
    const created = await signer.create(family, { notBefore: addSeconds(now(), -BACKDATE_SECONDS), expiresAt });
    try {
      const certified = upstream === undefined ? created : await upstream.certify(created);
      const made = { ...inState(certified, state), ...ofReplica };
      await book.record({
        authorities: [made, ...(state === "active" ? retired(family) : [])],
        ...orderOf(made, order),
      });
      return made;
    } catch (thrown) {
      await signer.destroy(created.authorityId);
      throw thrown;
    }
  }

  /** When an authority that is made now ends: no later than the upstream authority. */
  function endOfNew(family: SigningFamily, upstream = upstreamOf(family)): UnixSeconds {
    const own = addSeconds(now(), ports.lifetimeSeconds[family] ?? 0);
    return upstream !== undefined && upstream.expiresAt < own ? upstream.expiresAt : own;
  }

  function upstreamOf(family: SigningFamily): UpstreamAuthority | undefined {
    return family === "x509-svid" ? ports.upstream?.() : undefined;
  }

  /** The authorities that sign now, as they are when another signs: old. */
  function retired(family: KeyFamily, but?: Authority): readonly Authority[] {
    const active = book.of(family).filter((one) => one.state === "active" && one.authorityId !== but?.authorityId);
    return active.map((one) => inState(one, "old"));
  }

  async function activate(authority: Authority, order?: PutAuthoritiesAct["order"]): Promise<void> {
    const changed = [inState(authority, "active"), ...retired(authority.family, authority)];
    await book.record({ authorities: changed, ...(order === undefined ? {} : { order }) });
  }

  /** The row first: after a crash in between, the next start destroys a key whose row says that it is removed. */
  async function remove(authority: Authority, more: Pick<PutAuthoritiesAct, "order" | "taints"> = {}) {
    const result = await book.record({ authorities: [inState(authority, "removed")], ...more });
    await signer.destroy(authority.authorityId);
    return result;
  }

  /** Destroys keys that were to be destroyed when the broker stopped, or that were made and not recorded. */
  async function destroyLeftovers(): Promise<void> {
    for (const { state, authorityId } of book.all()) if (state === "removed") await signer.destroy(authorityId);
    // A ledger that went back in time does not know its newest keys; these are needed when the right ledger is put
    // back.
    if (ports.gate?.refusal() !== undefined) return;
    await destroyAll((authorityId) => book.byId(authorityId) === undefined);
  }

  async function destroyAll(isWanted: (authorityId: string) => boolean): Promise<void> {
    const held = families.flatMap((family) => signer.held(family));
    for (const authorityId of held.filter(isWanted)) await signer.destroy(authorityId);
  }

  async function doOne(family: SigningFamily, due: Due): Promise<void> {
    switch (due.kind) {
      case "create":
        return void (await make(family, "active"));
      case "prepare":
        return void (await make(family, "prepared"));
      case "activate":
        return activate(due.authority);
      case "remove":
        if (due.authority.state !== "old" && !signer.holds(due.authority.authorityId))
          ports.keyMissing?.(due.authority);
        return void (await remove(due.authority));
    }
  }

  async function doWhatIsDue(): Promise<void> {
    for (const family of families) {
      if (ports.lifetimeSeconds[family] === undefined) {
        for (const one of book.of(family)) if (one.state !== "removed") await remove(one);
        continue;
      }
      let isMade = false;
      for (;;) {
        const due = dueIn(book.of(family), { now: now(), endOfNew: endOfNew(family), rotation, holds: signer.holds });
        if (due === undefined) break;
        // Whatever keeps a new authority from signing would keep the next new authority from signing too.
        if (due.kind === "create" && isMade) throw new BrokerError("AUTHORITY_UNAVAILABLE", NEW_ONE_CANNOT_SIGN);
        isMade ||= due.kind === "create";
        await doOne(family, due);
      }
    }
  }

  /** Reports each trouble once; operators see a trouble in readiness for as long as it lasts. */
  function tellTroubles(): void {
    const now = troubles();
    for (const trouble of now.filter((one) => !told.includes(one))) {
      ports.failed(new BrokerError("AUTHORITY_UNAVAILABLE", trouble));
    }
    told = now;
  }

  function look(): Promise<void> {
    const looked = inTurn(async () => {
      if (isStopped) return;
      if (ports.gate?.refusal() === undefined) await doWhatIsDue();
      tellTroubles();
    });
    return looked.catch(ports.failed);
  }

  function lookLater(): void {
    cancel();
    if (isStopped) return;
    cancel = clock.schedule(LOOK_INTERVAL_MS, () => {
      void look();
      lookLater();
    });
  }

  function troubles(): readonly string[] {
    return isWorthMaking(endOfNew("x509-svid"), now()) ? [] : [UPSTREAM_IS_OVER];
  }

  await inTurn(async () => {
    await destroyLeftovers();
    await doWhatIsDue();
    tellTroubles();
    lookLater();
  });

  return {
    following: book.following,
    active: (family) => signingAt(book.of(family), now(), signer.holds),
    all: book.published,
    byId: book.byId,
    history: book.all,
    onChange: book.onChange,
    activatableAt: (authority) => (authority.state === "prepared" ? activatableAt(authority, rotation) : undefined),
    bundleSequence: book.sequence,
    troubles,
    look,
    ...createAuthorityOrders({ book, inTurn, make, activate, remove, now, rotation, inForce: ports.inForce }),

    replaceAll: () =>
      inTurn(async () => {
        const replaced = book.all().filter(({ state }) => state !== "removed");
        // Nothing signed before the new epoch may verify: the keys leave the bundle at once, and then for good.
        if (replaced.length > 0) await book.record({ authorities: replaced.map((one) => inState(one, "removed")) });
        for (const { authorityId } of book.all()) await signer.destroy(authorityId);
        await destroyAll(() => true);
        await doWhatIsDue();
      }),

    stop() {
      isStopped = true;
      cancel();
    },
  };
}

function orderOf(made: Authority, order: PutAuthoritiesAct["order"]): Pick<PutAuthoritiesAct, "order"> {
  return order === undefined ? {} : { order: { ...order, target: made.authorityId } };
}
