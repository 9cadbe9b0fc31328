import type { FeedBatch } from "../../src/close/notify.ts";
import { beginWatch } from "../../src/close/watch.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { Head, OpenedLedger } from "../../src/ports/ledger.ts";
import type { DenyEntry } from "../../src/ports/ledger-reads.ts";
import type { PrincipalVault } from "../../src/ports/principal-vault.ts";
import { memoryVault, type VaultDisk } from "../memory/memory-vault.ts";
import { type Broker, type Ground, startBroker } from "./broker.ts";
import type { CheckpointPlaces } from "./checkpoint-places.ts";
import { promise } from "./model-history.ts";
import { type Faults, type Signature, type Unsteady, unsteady } from "./unsteady.ts";

/** A broker that lives, dies, and starts again on the same ground. */
export type Lives = {
  readonly isUp: boolean;
  /** Which life it is, of all that brokers of this world have. */
  readonly count: number;
  readonly life: Unsteady;
  readonly broker: Broker;
  readonly store: OpenedLedger;
  /** All that the broker denies, as a watcher from its start on is told. */
  readonly denied: readonly DenyEntry[];
  /** Told of the head after each commit. */
  committed(head: Head): void;
  /** Ends it as a process ends: what the broker had asked its store for is done, and what it had not, never. */
  kill(): Promise<void>;
  /** Starts it again, where it can be; it stays down where its ledger says why it can't. */
  start(): Promise<void>;
  end(): Promise<void>;
};

/** Where a broker's ledger lies. */
export type StorePlace = {
  /** As a broker begins to use it. */
  open(): Promise<OpenedLedger>;
  /** As its broker has begun, or is gone. @param pass - as long as an answer takes, and for ever once the broker is killed. */
  begun(pass: () => Promise<void>): void;
  gone(): Promise<void>;
};

export async function startLives(
  ground: Omit<Ground, "store">,
  around: {
    readonly delays: readonly number[];
    readonly faults: Faults;
    readonly signatures: Signature[];
    readonly places: CheckpointPlaces;
    readonly place: StorePlace;
    readonly vault: VaultDisk;
    /** Numbers of lives, each given once. */
    readonly nextLife: () => number;
    /** How far the log has come. */
    readonly head: () => number;
  },
): Promise<Lives> {
  const { random } = ground;
  const { delays, faults, signatures, places, place, vault, nextLife, head } = around;
  let isUp = true;
  let count = nextLife();
  let store = await place.open();
  let life = await nextGround();
  let { checkpoints, keeper } = await places.open(life.pass);
  let broker = await begin();
  let denied = await deniedBy(broker);

  async function nextGround(): Promise<Unsteady> {
    const begun = unsteady({ ...ground, store, principals: await openVault() }, delays, faults, { signatures, head });
    place.begun(begun.pass);
    return begun;
  }

  /** On what the life before left. */
  async function begin(): Promise<Broker> {
    keeper.committed(store.ledger.head());
    const trustHead = () => keeper.trust(store.ledger.head());
    return startBroker({ ...life.ground, checkpoints, store: { ...life.ground.store, trustHead } });
  }

  /** Keys of those who were erased are gone, though the broker may have ended before it deleted them. */
  async function openVault(): Promise<PrincipalVault> {
    const opened = memoryVault(random, vault);
    const erased = await store.registry.erasedPrincipals();
    for (const { principalId, sealed } of erased) await opened.erase(principalId, sealed);
    return opened;
  }

  async function deniedBy({ notifier, denyList }: Broker): Promise<readonly DenyEntry[]> {
    const entries: DenyEntry[] = [];
    const take = (batch: FeedBatch) => void entries.push(...batch.entries);
    const { beginning, go } = await beginWatch(undefined, take, { ...store, notifier, denyList });
    entries.push(...beginning.denials.map(({ form }) => form));
    go();
    return entries;
  }

  async function start(): Promise<void> {
    if (isUp) return;
    try {
      store = await place.open();
      const finding = await store.verifyAll();
      promise(finding.kind === "intact", "what a crash leaves is what follows from the events");
      count = nextLife();
      life = await nextGround();
      ({ checkpoints, keeper } = await places.open(life.pass));
      broker = await begin();
      denied = await deniedBy(broker);
      isUp = true;
    } catch (thrown) {
      // As a process that ends since it can't start.
      life.kill();
      await place.gone();
      if (!(thrown instanceof BrokerError)) throw thrown;
    }
  }

  async function kill(): Promise<void> {
    if (!isUp) return;
    isUp = false;
    life.kill();
    broker.stop();
    await turn();
    await place.gone();
  }

  return {
    get isUp() {
      return isUp;
    },
    get count() {
      return count;
    },
    get life() {
      return life;
    },
    get broker() {
      return broker;
    },
    get store() {
      return store;
    },
    get denied() {
      return denied;
    },
    committed: (reached) => keeper.committed(reached),
    kill,
    start,
    end: kill,
  };
}

/** All that is under way comes as far as it can: nothing here takes longer than turns within one of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
