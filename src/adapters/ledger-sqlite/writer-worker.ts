import { join } from "node:path";
import { type MessagePort, parentPort } from "node:worker_threads";
import { signCommitted } from "../../ledger/sign-committed.ts";
import type { CommitSigner } from "../../ports/commit-signer.ts";
import { loadDriver } from "./driver.ts";
import { DATABASE_FILE, type DurableStore, openDurableStore } from "./durable-store.ts";
import { LOADED } from "./end-thread.ts";
import { createLogMover, type LogMoverThread } from "./log-mover-thread.ts";
import type { UpgradeProgress } from "./migrate.ts";
import type { ChunkOrder } from "./snapshot.ts";
import type { Commit } from "./store.ts";
import {
  decodeActs,
  encodeError,
  encodeHead,
  encodeReply,
  type FromWriter,
  type ToWriter,
  type WireError,
  type WriterData,
} from "./thread-messages.ts";

/** Often enough that a disk which has room again is noticed within a second. */
const PROBE_INTERVAL_MS = 500;

const port = parentPort;
if (port === null) throw new TypeError("the ledger's writer is not a program of its own");
const send = (message: FromWriter): void => port.postMessage(message);

// Loaded before anybody says which ledger; what keeps it from loading is said to whoever does.
const driver = loadDriver();
driver.then(
  () => send(LOADED),
  () => send(LOADED),
);
let serving: ((message: Exclude<ToWriter, { readonly kind: "open" }>) => void) | undefined;
port.on("message", (message: ToWriter) => {
  if (message.kind === "open") void open(message.data);
  else serving?.(message);
});

async function open({ signing, ...options }: WriterData): Promise<void> {
  try {
    const upgrading = (progress: UpgradeProgress) => send({ kind: "upgrading", progress });
    const signer = await openSigner(signing);
    const mover = createLogMover(join(options.directory, DATABASE_FILE));
    serving = serve(openDurableStore(await driver, options, { upgrading }, { mover }), signer, mover);
  } catch (thrown) {
    send({ kind: "refused", error: encodeError(thrown) });
    // A thread that listens does not end.
    port?.close();
  }
}

/** What signs is another adapter's, and is known here by its module alone. */
async function openSigner(signing: WriterData["signing"]): Promise<CommitSigner | undefined> {
  if (signing === undefined) return undefined;
  const { openCommitSigner } = (await import(signing.module)) as {
    readonly openCommitSigner: (port: MessagePort) => CommitSigner;
  };
  return openCommitSigner(signing.port);
}

function keepChunks(store: DurableStore, order: ChunkOrder): number | WireError {
  try {
    return store.keepChunks(order);
  } catch (thrown) {
    return encodeError(thrown);
  }
}

function serve(store: DurableStore, signer: CommitSigner | undefined, mover: LogMoverThread): typeof serving {
  const interval = setInterval(() => {
    store.probe();
    send({ kind: "probed", health: store.health(), disk: store.disk() });
  }, PROBE_INTERVAL_MS);

  send({ kind: "opened", head: encodeHead(store.head()), health: store.health(), disk: store.disk() });
  return (message) => {
    if (message.kind === "close") {
      clearInterval(interval);
      void mover.close().then(() => {
        store.close();
        port?.close();
      });
      return;
    }
    if (message.kind === "chunks") {
      send({ kind: "chunks", written: keepChunks(store, message.order) });
      store.keepLog();
      return;
    }
    const acts = decodeActs(message.acts);
    const { outcomes, events }: Commit = store.run(acts);
    const answers = signer === undefined ? outcomes : signCommitted(acts, outcomes, signer);
    const commit = { outcomes: answers, events };
    send({ kind: "group", reply: encodeReply(commit, store.head(), store.health()) });
    store.keepLog();
  };
}
