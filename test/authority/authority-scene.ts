import { type Authorities, type AuthoritiesPorts, openAuthorities } from "../../src/authority/authorities.ts";
import { SIGNING_FAMILIES } from "../../src/authority/lifecycle.ts";
import type { Authority, KeyFamily } from "../../src/domain/authority.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import type { LedgerAct } from "../../src/ports/ledger-acts.ts";
import type { Signer } from "../../src/ports/signer.ts";
import { ports, present, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";

const DAY_SECONDS = 86_400;
/** Half of it is 15 days; a key is published for 15 minutes before it signs. */
export const LIFETIME_SECONDS = 30 * DAY_SECONDS;
export const PROPAGATION_SECONDS = 900;

export type Scene = Awaited<ReturnType<typeof openScene>>;

/** A ledger and a signer that outlive the brokers which are started on them, one after another. */
export async function openScene() {
  const given = ports();
  const store = await openMemoryLedger(given);
  const world: World = worldOf(store, given);
  const signer: Signer = memorySigner({ trustDomain: parseTrustDomain("example.org"), randomness: given.randomness });
  const { clock } = world;
  const failures: unknown[] = [];
  let running: Authorities | undefined;
  /** Called before each act; what it throws, the act fails with. */
  let beforeAct: (act: LedgerAct) => void = () => undefined;
  const perform: Ledger["perform"] = async (act) => {
    beforeAct(act);
    return store.ledger.perform(act);
  };
  const ledger: Ledger = { ...store.ledger, perform };

  /** What is queued behind promises happens; time does not pass. */
  async function settle(): Promise<void> {
    await Promise.all(SIGNING_FAMILIES.map(() => new Promise(setImmediate)));
  }

  return {
    world,
    signer,
    failures,
    settle,
    /** Ends the broker that runs, and starts one on what there is. */
    async start(own: Partial<AuthoritiesPorts> = {}): Promise<Authorities> {
      running?.stop();
      running = await openAuthorities({
        ledger,
        projections: store.projections,
        signer,
        clock,
        lifetimeSeconds: {
          "x509-svid": LIFETIME_SECONDS,
          "jwt-svid": LIFETIME_SECONDS,
          "wit-svid": LIFETIME_SECONDS,
          "txn-token": LIFETIME_SECONDS,
        },
        inForce: () => Promise.resolve(),
        failed: (error) => void failures.push(error),
        ...own,
      });
      return running;
    },
    onAct(listener: (act: LedgerAct) => void): void {
      beforeAct = listener;
    },
    async pass(seconds: number): Promise<void> {
      clock.advance(seconds * 1_000);
      await settle();
    },
    async close(): Promise<void> {
      running?.stop();
      await settle();
      await store.close();
    },
  };
}

/** The ids of a family that are in each state, in the order in which they came; without those that were removed. */
export function statesOf(authorities: Authorities, family: KeyFamily): readonly string[] {
  return authorities
    .history()
    .filter((one) => one.family === family && one.state !== "removed")
    .map(({ state }) => state);
}

export function activeOf(authorities: Authorities, family: KeyFamily = "jwt-svid"): Authority {
  return present(authorities.active(family));
}

export function inState(
  authorities: Authorities,
  state: Authority["state"],
  family: KeyFamily = "jwt-svid",
): Authority {
  return present(authorities.history().findLast((one) => one.family === family && one.state === state));
}
