import { join } from "node:path";
import { type MessagePort, parentPort } from "node:worker_threads";
import { signCommitted } from "../../ledger/sign-committed.ts";
import type { CommitSigner } from "../../ports/commit-signer.ts";
import type { Head } from "../../ports/ledger.ts";
import type { SharedLog } from "../../ports/shared-log.ts";
import { DATABASE_FILE } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { type DurableStore, openDurableStore } from "./durable-store.ts";
import { LOADED } from "./end-thread.ts";
import { createLogMover, type LogMoverThread } from "./log-mover-thread.ts";
import type { UpgradeProgress } from "./migrate.ts";
import { oneAfterTheOther } from "./one-after-the-other.ts";
import { openSharedStore, type SharedStore } from "./shared-store.ts";
import type { ChunkOrder } from "./snapshot.ts";
import type { Commit } from "./store.ts";
import {
  decodeActs,
  encodeError,
  encodeFollowed,
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
/** What is asked for is answered before what others have recorded since is told. */
const alone = oneAfterTheOther();
let serving: ((message: Exclude<ToWriter, { readonly kind: "open" | "report" }>) => Promise<void>) | undefined;
/** Of a shared log. */
let report: SharedStore["report"] | undefined;
port.on("message", (message: ToWriter) => {
  if (message.kind === "open") void open(message.data);
  else if (message.kind === "report") report?.(message.report);
  else void alone(async () => serving?.(message));
});

async function open({ signing, shared, ...options }: WriterData): Promise<void> {
  try {
    const upgrading = (progress: UpgradeProgress) => send({ kind: "upgrading", progress });
    const signer = await openSigner(signing);
    const mover = createLogMover(join(options.directory, DATABASE_FILE));
    const store =
      shared === undefined
        ? openDurableStore(await driver, options, { upgrading }, { mover })
        : await openSharedStore(
            await driver,
            options,
            await openLog(shared),
            { upgrading, followed, looked: (replicas) => send({ kind: "looked", replicas }) },
            { mover, alone, wallMs: Date.now, monotonicMs: () => performance.now() },
          );
    serving = serve(store, signer, mover);
    if ("report" in store) report = store.report;
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

/** The log is another adapter's too. */
async function openLog({ module, settings }: NonNullable<WriterData["shared"]>): Promise<SharedLog> {
  const { openSharedLog } = (await import(module)) as {
    readonly openSharedLog: (settings: object) => Promise<SharedLog>;
  };
  return openSharedLog(settings);
}

function followed(head: Head, events: readonly string[]): void {
  // Whoever opens the ledger is told its head once it is open.
  if (serving !== undefined) send({ kind: "followed", followed: encodeFollowed(head, events) });
}

/** A store with a log of its own answers at once. */
type AnyStore = DurableStore | SharedStore;

async function keepChunks(store: AnyStore, order: ChunkOrder): Promise<number | WireError> {
  try {
    return await store.keepChunks(order);
  } catch (thrown) {
    return encodeError(thrown);
  }
}

function serve(store: AnyStore, signer: CommitSigner | undefined, mover: LogMoverThread): typeof serving {
  let isProbing = false;
  const interval = setInterval(async () => {
    if (isProbing) return;
    isProbing = true;
    await store.probe();
    isProbing = false;
    send({ kind: "probed", ...standing() });
  }, PROBE_INTERVAL_MS);

  const standing = () => ({ health: store.health(), disk: store.disk() });

  async function confirm(): Promise<void> {
    try {
      if ("follow" in store) await store.follow();
      send({ kind: "confirmed" });
    } catch (thrown) {
      send({ kind: "confirmed", error: encodeError(thrown) });
    }
  }

  async function commit(text: string): Promise<void> {
    const acts = decodeActs(text);
    const { outcomes, events }: Commit = await store.run(acts);
    const answers = signer === undefined ? outcomes : signCommitted(acts, outcomes, signer);
    const commit = { outcomes: answers, events };
    send({ kind: "group", reply: encodeReply(commit, store.head(), store.health()) });
    store.keepLog();
  }

  async function close(): Promise<void> {
    clearInterval(interval);
    await mover.close();
    await store.close();
    port?.close();
  }

  const common = "cursorKey" in store ? { cursorKey: store.cursorKey, replicas: store.replicas } : {};
  send({ kind: "opened", head: encodeHead(store.head()), ...standing(), ...common });
  return async (message) => {
    if (message.kind === "close") return close();
    if (message.kind === "group") return commit(message.acts);
    if (message.kind === "confirm") return confirm();
    send({ kind: "chunks", written: await keepChunks(store, message.order) });
    store.keepLog();
  };
}
