import { BrokerError, errorOf } from "../domain/errors.ts";
import type { LedgerEvent } from "../domain/ledger-event.ts";
import { invalidate, newStatusBits, statusListEnd, type TokenStatus } from "../domain/status-list.ts";
import { secondsOf, type UnixMicros, type UnixSeconds } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { CredentialReads } from "../ports/credential-reads.ts";
import type { Deflate } from "../ports/deflate.ts";
import type { AuthorityDirectory } from "../ports/directories.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Signer } from "../ports/signer.ts";

export type StatusLists = {
  readonly following: Following;
  /**
   * The status list token of a list, which has all that was recorded by its `iat`; `undefined` for a list that there is
   * not, or whose tokens have all expired.
   *
   * @throws BrokerError NOT_SERVING while what was revoked is not known for certain; AUTHORITY_UNAVAILABLE
   */
  token(list: string): Promise<string | undefined>;
};

export type StatusListsPorts = {
  readonly ledger: Pick<Ledger, "follow" | "head">;
  readonly credentials: Pick<CredentialReads, "statusLists" | "revokedStatuses" | "statusesRevokedBetween">;
  readonly authorities: Pick<AuthorityDirectory, "active">;
  readonly signer: Pick<Signer, "signStatusList">;
  readonly deflate: Deflate;
  readonly clock: Clock;
  /** The broker's https issuer URL. */
  readonly issuer: string;
  /** Whether the ledger is suspected of having gone back in time. */
  readonly ledgerIsDoubted: () => boolean;
};

type List = {
  readonly endsAt: UnixSeconds;
  readonly bits: Uint8Array;
  /** How many bits are set. */
  revoked: number;
  signed?: { readonly revoked: number; readonly at: UnixMicros; readonly token: Promise<string> };
};

/** A list is signed again once it has changed, and otherwise once a second at most, however many ask. */
const RESIGNED_MICROS = 1_000_000;
/** How often lists whose tokens have all expired are looked for. */
const SWEEP_SECONDS = 60;
/** The events that take something back. */
const REVOKING: ReadonlySet<LedgerEvent["type"]> = new Set(["step.closed", "issuance.revoked", "authority.tainted"]);

/**
 * Keeps the status lists beside the ledger: a bit for each token, 16 KiB a list. They are read from the tables at the
 * start; from then on each event that takes something back costs a read of what it took back.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function keepStatusLists(ports: StatusListsPorts): Promise<StatusLists> {
  const { ledger, credentials, clock } = ports;
  const lists = new Map<string, List>();
  const now = () => secondsOf(clock.now());
  const start = ledger.head().sequence;
  let position = start;
  let sweptAt = now();

  for (const { list, endsAt } of await credentials.statusLists(now())) begin(list, endsAt);
  await revoke(credentials.revokedStatuses(now()));

  function begin(list: string, endsAt: UnixSeconds): void {
    if (!lists.has(list)) lists.set(list, { endsAt, bits: newStatusBits(), revoked: 0 });
  }

  /** What is denied is denied for ever, so taking it twice changes nothing. */
  async function revoke(parts: AsyncIterable<readonly TokenStatus[]>): Promise<void> {
    for await (const part of parts) {
      for (const { list: name, index } of part) {
        const list = lists.get(name);
        if (list !== undefined && invalidate(list.bits, index)) list.revoked += 1;
      }
      await nextTurn();
    }
  }

  async function takeAll(committed: readonly Committed[]): Promise<void> {
    const last = committed.at(-1)?.sequence ?? position;
    let isRevoking = false;
    for (const { event } of committed) {
      if (event.type === "issuance.recorded") {
        const { status } = event.issuance;
        if (status !== undefined && !lists.has(status.list)) begin(status.list, statusListEnd(secondsOf(event.at)));
      } else isRevoking ||= REVOKING.has(event.type);
    }
    if (isRevoking) await revoke(credentials.statusesRevokedBetween(position, last));
    position = last;
    sweep();
  }

  function sweep(): void {
    const at = now();
    if (at < sweptAt + SWEEP_SECONDS) return;
    sweptAt = at;
    for (const [name, { endsAt }] of lists) if (endsAt <= at) lists.delete(name);
  }

  const following = ledger.follow({ name: "status lists", takeAll }, start);

  async function signed(name: string, { bits }: List, at: UnixMicros): Promise<string> {
    const authority = ports.authorities.active("events");
    if (authority === undefined) throw new BrokerError("AUTHORITY_UNAVAILABLE", "no authority for events is active");
    // A copy, since what is revoked while it is compressed would be in one half and not in the other.
    const compressed = await ports.deflate(Uint8Array.from(bits));
    return ports.signer.signStatusList(authority.authorityId, {
      issuer: ports.issuer,
      list: name,
      issuedAt: secondsOf(at),
      compressed,
    });
  }

  return {
    following,
    async token(name) {
      if (ports.ledgerIsDoubted()) throw new BrokerError("NOT_SERVING", "the ledger can't be relied on at present");
      const list = lists.get(name);
      if (list === undefined || list.endsAt <= now()) return undefined;
      // The instant first: all that was recorded by then is in the list by the time that it is signed.
      const at = clock.now();
      await following.reached(ledger.head().sequence);
      const refusal = following.refusal();
      if (refusal !== undefined) throw errorOf(refusal);
      const { signed: before } = list;
      if (before !== undefined && before.revoked === list.revoked && isRecent(before.at, at)) return before.token;
      const made = { revoked: list.revoked, at, token: signed(name, list, at) };
      list.signed = made;
      made.token.catch(() => {
        if (list.signed === made) delete list.signed;
      });
      return made.token;
    },
  };
}

function isRecent(signedAt: UnixMicros, at: UnixMicros): boolean {
  return at >= signedAt && at < signedAt + RESIGNED_MICROS;
}

/** Lets the event loop go round: whoever waits for a credential does not wait for a list. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
