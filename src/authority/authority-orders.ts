import type { Actor } from "../domain/actor.ts";
import type { Authority } from "../domain/authority.ts";
import { BrokerError, invalidField } from "../domain/errors.ts";
import type { RevocationReason } from "../domain/revocation.ts";
import type { UnixSeconds } from "../domain/time.ts";
import type { InForce } from "../ports/following.ts";
import type { PutAuthoritiesAct, PutAuthoritiesResult } from "../ports/ledger-acts.ts";
import type { AuthorityBook } from "./authority-book.ts";
import { activatableAt, FORCED_PROPAGATION_SECONDS, type Rotation, type SigningFamily } from "./lifecycle.ts";

/** An authority after an order, and how many credentials the order took back. */
export type Ordered = { readonly authority: Authority; readonly credentialsRevoked: number };

/**
 * What operators may order, in SPIRE's words. Each order is recorded as the operator's act, before it takes effect. All
 * orders throw BrokerError LEDGER_UNAVAILABLE, having done nothing.
 */
export type AuthorityOrders = {
  /**
   * Makes the next key and publishes it.
   *
   * @throws BrokerError INVALID_FIELD while a key is prepared already, AUTHORITY_UNAVAILABLE when no key can be made
   */
  prepare(family: SigningFamily, by: Actor): Promise<Authority>;
  /**
   * Lets a prepared key sign; the key that signed before is old from then on.
   *
   * @param order.haste - `forced`: once it has been published for `FORCED_PROPAGATION_SECONDS`, though not for as long as is
   *   configured; `at-once`: verifiers without it refuse for a while.
   * @throws BrokerError INVALID_FIELD; of a key that was not published for long enough its metadata has `seconds_left`
   */
  activate(authorityId: string, order: { readonly haste: Haste; readonly by: Actor }): Promise<Authority>;
  /**
   * Ends the trust in an old key: all that the key signed is taken back, and the key leaves the bundle.
   *
   * @throws BrokerError INVALID_FIELD
   */
  taint(authorityId: string, order: WithdrawOrder): Promise<Ordered>;
  /**
   * Ends the trust in an old or prepared key, as `taint` does, and destroys the key.
   *
   * @throws BrokerError INVALID_FIELD
   */
  revoke(authorityId: string, order: WithdrawOrder): Promise<Ordered>;
};

/** How little time verifiers may be given to fetch a key before it signs. */
export type Haste = "none" | "forced" | "at-once";

export type WithdrawOrder = { readonly reason: RevocationReason; readonly by: Actor };

type Order = PutAuthoritiesAct["order"];

/** What the orders are carried out with. */
type OrderPorts = {
  readonly book: AuthorityBook;
  readonly inTurn: <T>(change: () => Promise<T>) => Promise<T>;
  readonly make: (family: SigningFamily, state: "prepared", order: Order) => Promise<Authority>;
  readonly activate: (authority: Authority, order: Order) => Promise<void>;
  readonly remove: (
    authority: Authority,
    more: Pick<PutAuthoritiesAct, "order" | "taints">,
  ) => Promise<PutAuthoritiesResult>;
  readonly now: () => UnixSeconds;
  readonly rotation: Rotation;
  readonly inForce: InForce;
};

export function createAuthorityOrders(ports: OrderPorts): AuthorityOrders {
  const { book, inTurn } = ports;

  function named(authorityId: string, states: readonly Authority["state"][]): Authority {
    const authority = book.byId(authorityId);
    if (authority === undefined) throw invalidField("authority_id", "the id of an authority");
    if (!states.includes(authority.state)) {
      throw invalidField("authority_id", `of one that is ${states.join(" or ")}; it is ${authority.state}`);
    }
    return authority;
  }

  /** @throws BrokerError INVALID_FIELD */
  function checkPublished(authority: Authority, haste: "none" | "forced"): void {
    const { seconds, sooner } =
      haste === "forced"
        ? { seconds: FORCED_PROPAGATION_SECONDS, sooner: "now" }
        : { seconds: ports.rotation.propagationSeconds, sooner: "force" };
    const secondsLeft = activatableAt(authority, { propagationSeconds: seconds }) - ports.now();
    if (secondsLeft <= 0) return;
    const message = `authority_id: of one that is published for ${seconds} s; ${secondsLeft} s are left, or use ${sooner}`;
    const metadata = { field: "authority_id", seconds_left: String(secondsLeft) };
    throw new BrokerError("INVALID_FIELD", message, { metadata });
  }

  /** The authority as it is after the change that was just recorded. */
  function after({ authorityId }: Authority): Authority {
    const authority = book.byId(authorityId);
    if (authority === undefined) throw new BrokerError("AUTHORITY_UNAVAILABLE", "the authority is not there");
    return authority;
  }

  function withdrawal(verb: "taint" | "revoke", { authorityId }: Authority, { reason, by }: WithdrawOrder) {
    return {
      order: { operation: `authority-${verb}`, target: authorityId, reason, by },
      taints: { authorityId, reason, by },
    };
  }

  return {
    prepare: (family, by) =>
      inTurn(async () => {
        const prepared = book.of(family).find(({ state }) => state === "prepared");
        if (prepared !== undefined) {
          throw invalidField("family", `one with nothing prepared; activate or revoke ${prepared.authorityId} first`);
        }
        return ports.make(family, "prepared", { operation: "authority-prepare", target: family, reason: family, by });
      }),

    activate: (authorityId, { haste, by }) =>
      inTurn(async () => {
        const authority = named(authorityId, ["prepared"]);
        if (!book.of(authority.family).includes(authority)) {
          throw invalidField("authority_id", `of one of this broker; the key is at ${authority.replica ?? "another"}`);
        }
        if (haste !== "at-once") checkPublished(authority, haste);
        const secondsEarly = activatableAt(authority, ports.rotation) - ports.now();
        const reason = secondsEarly > 0 ? `${haste}, ${secondsEarly} s early` : "published for long enough";
        await ports.activate(authority, { operation: "authority-activate", target: authorityId, reason, by });
        return after(authority);
      }),

    taint: (authorityId, order) =>
      inTurn(async () => {
        const authority = named(authorityId, ["old"]);
        if (authority.tainted === true) return { authority, credentialsRevoked: 0 };
        const taint = { authorities: [], ...withdrawal("taint", authority, order) };
        const { credentialsRevoked, sequence } = await book.record(taint);
        await ports.inForce(sequence);
        return { authority: after(authority), credentialsRevoked };
      }),

    revoke: (authorityId, order) =>
      inTurn(async () => {
        const authority = named(authorityId, ["prepared", "old"]);
        const { credentialsRevoked, sequence } = await ports.remove(authority, withdrawal("revoke", authority, order));
        await ports.inForce(sequence);
        return { authority: after(authority), credentialsRevoked };
      }),
  };
}
