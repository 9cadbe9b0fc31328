import type { FeedBatch } from "../../src/close/notify.ts";
import { beginWatch } from "../../src/close/watch.ts";
import type { Head } from "../../src/ports/ledger.ts";
import type { DenyEntry } from "../../src/ports/ledger-reads.ts";
import type { PrincipalVault } from "../../src/ports/principal-vault.ts";
import { memoryVault, vaultDisk } from "../memory/memory-vault.ts";
import { type Broker, type Ground, startBroker } from "./broker.ts";
import type { CheckpointPlaces } from "./checkpoint-places.ts";
import { promise } from "./model-history.ts";
import { type Faults, type Signature, type Unsteady, unsteady } from "./unsteady.ts";

/** A broker that lives, dies, and starts again on the same ground. */
export type Lives = {
  readonly isUp: boolean;
  /** How often it has been started. */
  readonly count: number;
  readonly life: Unsteady;
  readonly broker: Broker;
  /** All that the broker denies, as a watcher from its start on is told. */
  readonly denied: readonly DenyEntry[];
  /** Told of the head after each commit. */
  committed(head: Head): void;
  /** What the old broker had asked its store for is done before the new one looks; what it had not, never. */
  restart(): Promise<void>;
  end(): void;
};

export async function startLives(
  ground: Ground,
  around: {
    readonly delays: readonly number[];
    readonly faults: Faults;
    readonly signatures: Signature[];
    readonly places: CheckpointPlaces;
  },
): Promise<Lives> {
  const { store, random } = ground;
  const { delays, faults, signatures, places } = around;
  const disk = vaultDisk(random);
  let isUp = true;
  let count = 1;
  let life = unsteady({ ...ground, principals: await openVault() }, delays, faults, signatures);
  let { checkpoints, keeper } = await places.open(life.pass);
  let broker = await start();
  let denied = await deniedBy(broker);

  /** On what the life before left. */
  async function start(): Promise<Broker> {
    keeper.committed(store.ledger.head());
    const trustHead = () => keeper.trust(store.ledger.head());
    return startBroker({ ...life.ground, checkpoints, store: { ...life.ground.store, trustHead } });
  }

  /** Keys of those who were erased are gone, though the broker may have ended before it deleted them. */
  async function openVault(): Promise<PrincipalVault> {
    const vault = memoryVault(random, disk);
    const erased = await store.registry.erasedPrincipals();
    for (const { principalId, sealed } of erased) await vault.erase(principalId, sealed);
    return vault;
  }

  async function deniedBy({ notifier, denyList }: Broker): Promise<readonly DenyEntry[]> {
    const entries: DenyEntry[] = [];
    const take = (batch: FeedBatch) => void entries.push(...batch.entries);
    const { beginning, go } = await beginWatch(undefined, take, { ...store, notifier, denyList });
    entries.push(...beginning.denials.map(({ form }) => form));
    go();
    return entries;
  }

  function end(): void {
    life.kill();
    broker.stop();
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
    get denied() {
      return denied;
    },
    committed: (head) => keeper.committed(head),
    async restart() {
      isUp = false;
      end();
      await turn();
      const finding = await store.verifyAll();
      promise(finding.kind === "intact", "what a crash leaves is what follows from the events");
      count += 1;
      life = unsteady({ ...ground, principals: await openVault() }, delays, faults, signatures);
      ({ checkpoints, keeper } = await places.open(life.pass));
      broker = await start();
      denied = await deniedBy(broker);
      isUp = true;
    },
    end,
  };
}

/** All that is under way comes as far as it can: nothing here takes longer than turns within one of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
