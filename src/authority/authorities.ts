import type { Authority, KeyFamily } from "../domain/authority.ts";
import { addSeconds, secondsOf } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { AuthorityDirectory } from "../ports/directories.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { RegistryReads } from "../ports/ledger-reads.ts";
import type { Signer } from "../ports/signer.ts";

export type Authorities = AuthorityDirectory & {
  /** Loads what the ledger knows and makes what is missing. */
  start(): Promise<void>;
  /** New keys for every family: the old ones sign no more. For an epoch that begins. */
  replaceAll(): Promise<void>;
  /** Changes when what verifiers are to know changes. */
  bundleSequence(): number;
};

export type AuthoritiesPorts = {
  readonly ledger: Ledger;
  readonly reads: RegistryReads;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly lifetimeSeconds: Readonly<Record<(typeof FAMILIES)[number], number>>;
  /** The set of authorities changed. */
  readonly changed: () => void;
};

/** Families that this broker signs with. */
const FAMILIES = ["x509-svid", "jwt-svid", "wit-svid"] as const satisfies readonly KeyFamily[];

/** How far back a new authority is valid, for verifiers whose clocks are behind. */
const BACKDATE_SECONDS = 60;

/** The broker's signing authorities: recorded in the ledger by their public parts, kept by the signer. */
export function createAuthorities(ports: AuthoritiesPorts): Authorities {
  const known = new Map<string, Authority>();
  let sequence = 0;

  async function put(authority: Authority): Promise<void> {
    const { sequence: recorded } = await ports.ledger.perform({
      act: "put-authority",
      authority,
      now: ports.clock.now(),
    });
    known.set(authority.authorityId, authority);
    sequence = recorded;
    ports.changed();
  }

  async function create(family: (typeof FAMILIES)[number]): Promise<void> {
    const now = secondsOf(ports.clock.now());
    const validity = {
      notBefore: addSeconds(now, -BACKDATE_SECONDS),
      expiresAt: addSeconds(now, ports.lifetimeSeconds[family]),
    };
    await put(await ports.signer.create(family, validity));
  }

  function active(family: KeyFamily): Authority | undefined {
    const now = secondsOf(ports.clock.now());
    let newest: Authority | undefined;
    for (const one of known.values()) {
      if (
        one.family !== family ||
        one.state !== "active" ||
        one.expiresAt <= now ||
        !ports.signer.holds(one.authorityId)
      )
        continue;
      if (newest === undefined || one.notBefore > newest.notBefore) newest = one;
    }
    return newest;
  }

  return {
    active,
    all: () => [...known.values()],
    bundleSequence: () => sequence,
    async start() {
      for (const authority of await ports.reads.authorities()) {
        // A key that was destroyed was retired for good, with all it signed.
        if (!ports.signer.holds(authority.authorityId)) continue;
        // Only a new epoch makes an authority old: one whose key is still here was on its way out when the broker stopped.
        if (authority.state === "old") await ports.signer.destroy(authority.authorityId);
        else known.set(authority.authorityId, authority);
      }
      sequence = ports.ledger.head().sequence;
      for (const family of FAMILIES) if (active(family) === undefined) await create(family);
    },
    async replaceAll() {
      for (const authority of known.values()) {
        if (authority.state !== "old") await put({ ...authority, state: "old" });
        await ports.signer.destroy(authority.authorityId);
      }
      // Nothing signed before the new epoch may verify: the retired keys leave the bundle at once.
      known.clear();
      for (const family of FAMILIES) await create(family);
    },
  };
}
